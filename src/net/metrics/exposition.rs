//! `Exposition`: metrics as text in Prometheus' format, version 0.0.4 (prometheus.io, "Exposition
//! formats"). Not which metrics there are. Made for one answer.
//!
//! Our own, since the format is a line for each number and those who have libraries want more for it:
//! `prometheus-client` writes OpenMetrics, another format, and both it and `prometheus` keep counters
//! of their own, with locks or atomics, which ours would have to be copied into.

use std::fmt::{Display, Write};
use std::time::Duration;

use super::super::histogram::{BOUNDS_MICROS, Histogram};

/// See the file.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
}

/// What a number may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl Exposition {
    /// A metric of one number.
    pub(super) fn single(&mut self, kind: Kind, name: &str, help: &str, value: impl Display) {
        self.head(word(kind), name, help);
        self.sample(name, "", value);
    }

    /// A metric with a number for each value of a label.
    pub(super) fn by_label<'a, Value: Display>(
        &mut self,
        (kind, name, help): (Kind, &str, &str),
        label: &str,
        values: impl IntoIterator<Item = (&'a str, Value)>,
    ) {
        self.head(word(kind), name, help);
        for (of, value) in values {
            self.sample(name, &format!("{{{label}=\"{of}\"}}"), value);
        }
    }

    /// What a metric is; its samples follow.
    pub(super) fn head(&mut self, kind: &str, name: &str, help: &str) {
        debug_assert!(!help.contains(['\n', '\\']), "what would need an escape");
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    /// One number. `labels` are as the format has them, in braces, or nothing; our words need no
    /// escapes.
    pub(super) fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        self.line(format_args!("{name}{labels} {value}"));
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head("histogram", name, help);
        let bucket = format!("{name}_bucket");
        let counts = histogram.cumulative();
        for (bound, count) in BOUNDS_MICROS.into_iter().zip(counts) {
            let bound = in_seconds(Duration::from_micros(bound));
            self.sample(&bucket, &format!("{{le=\"{bound}\"}}"), count);
        }
        let all = counts[BOUNDS_MICROS.len()];
        self.sample(&bucket, "{le=\"+Inf\"}", all);
        let sum = in_seconds(histogram.sum());
        self.sample(&format!("{name}_sum"), "", sum);
        self.sample(&format!("{name}_count"), "", all);
    }

    /// All of it.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.text, "{line}");
    }
}

/// A time, as Prometheus counts it.
pub(super) fn in_seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_the_format_wants_it() {
        let mut text = Exposition::default();
        text.single(Kind::Gauge, "a_b", "What it is.", 0.25);
        let family = (Kind::Counter, "c_total", "How many.");
        text.by_label(family, "code", [("x", 1), ("y-z", 0)]);
        let mut histogram = Histogram::default();
        histogram.add(Duration::from_millis(2), 3);
        text.histogram("d_seconds", "How long.", &histogram);
        let text = text.into_text();
        let start = "# HELP a_b What it is.\n# TYPE a_b gauge\na_b 0.25\n\
                     # HELP c_total How many.\n# TYPE c_total counter\n\
                     c_total{code=\"x\"} 1\nc_total{code=\"y-z\"} 0\n\
                     # HELP d_seconds How long.\n# TYPE d_seconds histogram\n\
                     d_seconds_bucket{le=\"0.00005\"} 0\n";
        assert!(text.starts_with(start), "{text}");
        let end = "d_seconds_bucket{le=\"0.001\"} 0\nd_seconds_bucket{le=\"0.0025\"} 3\n";
        assert!(text.contains(end), "{text}");
        let end = "d_seconds_bucket{le=\"+Inf\"} 3\nd_seconds_sum 0.006\nd_seconds_count 3\n";
        assert!(text.ends_with(end), "{text}");
    }
}
