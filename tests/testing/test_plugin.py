"""The pytest plugin, in sessions of its own: pytest as a process, on a conftest.py and tests as a user has them."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def strict(pytester: pytest.Pytester) -> None:
    """Warnings are errors, but for kafka-python's own: a function that is deprecated, and sockets that it forgets."""
    ignored = "ignore:(read|open)_text is deprecated\n    ignore::pytest.PytestUnraisableExceptionWarning"
    pytester.makeini(f"[pytest]\naddopts = --strict-markers\nfilterwarnings =\n    error\n    {ignored}\n")


def passed(pytester: pytest.Pytester, count: int, *arguments: str) -> pytest.RunResult:
    result = pytester.runpytest_subprocess(*arguments)
    result.assert_outcomes(passed=count)
    return result


def test_each_test_gets_the_topics_of_its_markers_and_nothing_else(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from kafka import KafkaProducer

        seen = []

        def send(chronik, topic):
            producer = KafkaProducer(bootstrap_servers=chronik.bootstrap_servers)
            producer.send(topic, b"x").get(10)
            producer.close()

        @pytest.mark.chronik(topics={"orders": 3})
        def test_counts(chronik):
            assert chronik.topics == {"orders": 3}
            send(chronik, "orders")
            assert len(chronik.records("orders")) == 1
            seen.append((chronik.bootstrap_servers, chronik))

        def test_nothing(chronik):
            assert chronik.topics == {}
            seen.append((chronik.bootstrap_servers, chronik))

        @pytest.mark.chronik(topics=["orders", "payments"])
        def test_names(chronik):
            assert chronik.topics == {"orders": 1, "payments": 1}
            assert chronik.records("orders") == []
            assert seen[0] == seen[1] == (chronik.bootstrap_servers, chronik)

        @pytest.mark.chronik(topics={"kept": {"partitions": 2, "cleanup.policy": "compact"}})
        class TestGroup:
            @pytest.mark.chronik(topics={"own": 1})
            def test_both(self, chronik):
                assert chronik.topics == {"kept": 2, "own": 1}

            @pytest.mark.chronik(topics={"kept": 5})
            def test_nearer_counts(self, chronik):
                assert chronik.topics == {"kept": 5}

            @pytest.mark.chronik(topics="single")
            def test_single(self, chronik):
                assert chronik.topics == {"kept": 2, "single": 1}
        """
    )
    passed(pytester, 6)


def test_settings_are_a_fixture(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def chronik_settings(tmp_path_factory):
            return {"data_dir": tmp_path_factory.mktemp("data"), "num_partitions": 4, "topics": ["always"]}
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.chronik(topics=["t"])
        def test_settings(chronik, chronik_session):
            assert chronik is chronik_session
            assert chronik.topics == {"always": 4, "t": 4}
            assert (chronik.data_dir / "catalog.sqlite").exists()

        def test_session_fixture_resets_nothing(chronik_session):
            assert "t" in chronik_session.topics
        """
    )
    passed(pytester, 2)


def test_rules_and_stops_end_with_their_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from kafka import KafkaProducer

        def send(chronik):
            producer = KafkaProducer(bootstrap_servers=chronik.bootstrap_servers, retries=0, enable_idempotence=False)
            try:
                producer.send("t", b"x").get(10)
            finally:
                producer.close()

        def test_fails(chronik):
            rule = chronik.fail(api="Produce", error="INVALID_TOPIC_EXCEPTION")
            try:
                send(chronik)
            except Exception as error:
                assert "INVALID_TOPIC" in str(error).upper() or "InvalidTopic" in type(error).__name__
            assert rule.hits == 1

        def test_works_again(chronik):
            send(chronik)
            chronik.stop()

        def test_runs_again(chronik):
            send(chronik)
            chronik.restart()
            chronik.crash()
            assert len(chronik.records("t")) == 1
        """
    )
    passed(pytester, 3)


def test_marker_that_makes_no_sense_is_an_error_of_its_test_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.chronik(topic="orders")
        def test_other_name(chronik): ...

        @pytest.mark.chronik("orders")
        def test_no_name(chronik): ...

        @pytest.mark.chronik(topics={"no such name": 1})
        def test_bad_topic(chronik): ...

        @pytest.mark.chronik(topics={"t": {"retention.ms": "soon"}})
        def test_bad_config(chronik): ...

        def test_right(chronik):
            chronik.create_topics("t")
            assert chronik.topics == {"t": 1}
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1, errors=4)
    refused = "*The marker chronik takes topics=... and nothing else.*"
    result.stdout.fnmatch_lines([refused, refused, "*INVALID_TOPIC_EXCEPTION*", "*INVALID_CONFIG*"])


def test_plugin_costs_nothing_when_it_is_not_used(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing():
            assert "chronik.testing" in sys.modules
            assert not {"chronik.server", "rocksdict", "sqlalchemy"} & set(sys.modules)
        """
    )
    passed(pytester, 1)


def test_marker_and_fixtures_are_documented(pytester: pytest.Pytester) -> None:
    pytester.runpytest_subprocess("--markers").stdout.fnmatch_lines(["@pytest.mark.chronik(topics): *"])
    pytester.makepyfile("def test_nothing(): pass")
    listed = pytester.runpytest_subprocess("--fixtures").stdout
    listed.fnmatch_lines(["chronik_settings *", "chronik_session *", "chronik *"])
