"""Times of requests, many at once."""

from prometheus_client import CollectorRegistry, Histogram

from app.api.times import Times

BOUNDS = (0.25, 1, 4)


def test_times_at_once_are_counted_as_one_by_one() -> None:
    times, found = (0.0, 0.25, 0.250001, 1, 4, 4.5, 7), []
    for kind in (Histogram, Times):
        registry = CollectorRegistry()
        histogram = kind("seconds", "Times.", ("route",), buckets=BOUNDS, registry=registry)
        if isinstance(histogram, Times):
            histogram.labels("a").observe_all(times)
        else:
            for seconds in times:
                histogram.labels("a").observe(seconds)
        samples = next(iter(registry.collect())).samples
        found.append([(name, labels, value) for name, labels, value, *_ in samples if not name.endswith("created")])
    one_by_one, at_once = found
    assert at_once == one_by_one
    assert [value for *_, value in at_once][:4] == [2, 4, 5, 7]
