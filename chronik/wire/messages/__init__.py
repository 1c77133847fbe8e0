"""One file per API key: the request, the response and their nested structs, for all versions."""
