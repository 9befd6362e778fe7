//! [`Page`]: what `/metrics` has told, read as strictly as Prometheus' text format (version 0.0.4) may
//! be read, and what `promtool` has against it where there is one. No expectation of a single test.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use crate::common::http::{Answer, ask_over, get};
use crate::common::{Client, Daemon};

/// Samples by how they are written: `name` or `name{label="value"}`.
#[derive(Debug)]
pub(super) struct Page {
    samples: BTreeMap<String, f64>,
    kinds: BTreeMap<String, String>,
}

/// Where this server is asked how it goes.
#[track_caller]
pub(super) fn asked_at(chatd: &Daemon) -> SocketAddr {
    let line = chatd.expect_log(&["metrics at http://"]);
    let (_, rest) = line.split_once("http://").expect("an address");
    let address = rest.strip_suffix("/metrics").expect("a path");
    address.parse().expect("an address")
}

/// Asks the port for monitoring.
#[track_caller]
pub(super) fn ask(at: SocketAddr, request: &str) -> Answer {
    ask_over(Client::connect(at), request)
}

/// All numbers, as they are now.
#[track_caller]
pub(super) fn scrape(at: SocketAddr) -> Page {
    let answer = ask(at, &get("/metrics"));
    assert_eq!(answer.status, 200);
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(answer.field("content-type"), Some(kind));
    Page::read(&answer.body)
}

impl Page {
    #[track_caller]
    pub(super) fn read(text: &str) -> Page {
        let mut page = Page {
            samples: BTreeMap::new(),
            kinds: BTreeMap::new(),
        };
        let mut helped = BTreeSet::new();
        let mut current = "";
        assert!(text.ends_with('\n'), "the last line has no end");
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help text");
                assert!(is_name(name) && !help.is_empty(), "{line}");
                assert!(helped.insert(name), "helped twice: {line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(helped.contains(name), "help comes first: {line}");
                let before = page.kinds.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "two types: {line}");
                let is_total = name.ends_with("_total");
                assert_eq!(
                    is_total,
                    kind == "counter" && name.starts_with("chatd_")
                        || name.ends_with("seconds_total"),
                    "{line}"
                );
                current = name;
            } else {
                page.take_sample(line, current);
            }
        }
        let names = page.kinds.keys().map(String::as_str).collect();
        assert_eq!(helped, names, "what has help has a type");
        page.check_histograms();
        page
    }

    fn take_sample(&mut self, line: &str, family: &str) {
        let (sample, value) = line.rsplit_once(' ').expect("a value");
        let name = match sample.split_once('{') {
            None => sample,
            Some((name, labels)) => {
                let labels = labels.strip_suffix('}').expect("a brace");
                for label in labels.split(',') {
                    let (label, value) = label.split_once('=').expect("a label");
                    let value = value
                        .strip_prefix('"')
                        .and_then(|value| value.strip_suffix('"'));
                    let value = value.expect("quotes");
                    assert!(
                        is_name(label) && !value.contains(['"', '\\', '\n']),
                        "{line}"
                    );
                }
                name
            }
        };
        let of_histogram = ["_bucket", "_sum", "_count"]
            .iter()
            .any(|end| name.strip_suffix(end) == Some(family) && self.kinds[family] == "histogram");
        assert!(
            is_name(name) && (name == family || of_histogram),
            "{line} in {family}"
        );
        let value: f64 = value.parse().expect("a number");
        assert!(value.is_finite() && value >= 0.0, "{line}");
        let before = self.samples.insert(sample.to_owned(), value);
        assert_eq!(before, None, "twice: {line}");
    }

    fn check_histograms(&self) {
        let histograms = self.kinds.iter().filter(|(_, kind)| *kind == "histogram");
        for (name, _) in histograms {
            let mut buckets: Vec<(f64, f64)> = self
                .labelled(&format!("{name}_bucket"))
                .map(|(labels, count)| {
                    let bound = labels.strip_prefix("le=\"").expect("a bound");
                    let bound = bound.trim_end_matches('"').replace("+Inf", "inf");
                    (bound.parse().expect("a number"), count)
                })
                .collect();
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(
                buckets.is_sorted_by(|one, other| one.1 <= other.1),
                "{name}: {buckets:?}"
            );
            let (bound, all) = *buckets.last().expect("buckets");
            assert!(bound.is_infinite(), "{name}");
            assert_eq!(all, self.number(&format!("{name}_count")), "{name}");
            assert!(self.number(&format!("{name}_sum")) <= all * 1e6, "{name}");
        }
    }

    /// One sample.
    #[track_caller]
    pub(super) fn number(&self, sample: &str) -> f64 {
        let found = self.samples.get(sample);
        *found.unwrap_or_else(|| panic!("no {sample} in {:#?}", self.samples))
    }

    /// The labels of all samples of a metric, and their values.
    pub(super) fn labelled(&self, name: &str) -> impl Iterator<Item = (&str, f64)> {
        self.samples.iter().filter_map(move |(sample, value)| {
            let labels = sample.strip_prefix(name)?.strip_prefix('{')?;
            Some((labels.strip_suffix('}')?, *value))
        })
    }

    /// The metrics, with what kind they are.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (&str, &str)> {
        let kinds = self.kinds.iter();
        kinds.map(|(name, kind)| (name.as_str(), kind.as_str()))
    }

    /// Nothing that only grows is less than it was, and nothing is missing.
    #[track_caller]
    pub(super) fn check_goes_on_from(&self, earlier: &Page) {
        for (sample, before) in &earlier.samples {
            let name = sample.split('{').next().expect("a name");
            let now = self.number(sample);
            let grows = match self.kinds.get(name) {
                Some(kind) => kind == "counter",
                None => true, // of a histogram
            };
            assert!(!grows || now >= *before, "{sample}: {before}, then {now}");
        }
    }
}

fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    let first = characters.next();
    first.is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What Prometheus' own tool says of a page; `None` where it is not installed.
pub(super) fn complaints(text: &str) -> Option<String> {
    let mut tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = tool.stdin.take().expect("it is piped");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    let done = tool.wait_with_output().expect("it ends");
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(done.status.success() || !said.is_empty());
    Some(said)
}
