"""The rules of a partition's log: what may be appended, who may append it, what a reader may see, what may go.

Pure: values in, values out. An engine (see `chronik.store.interface`) applies them to what it keeps.
"""
