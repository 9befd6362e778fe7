//! Which workloads each mode runs, against whom, and what must come out: the figures that the
//! project promises. How a run is made is `run`; how figures look is `report`.

use std::time::Duration;

use crate::experiment::{
    Entry, Experiment, Figure, entry, joining_measures, measure, quantile, ratio,
    throughput_measures,
};
use crate::frame::Contender;
use crate::languages::Languages;
use crate::member::Pace;
use crate::options::{Check, Mode, Options};
use crate::report::{Bound, Unit};
use crate::run::{Outcome, Workload};

/// What can be compared on this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rivals {
    /// The raw ceiling.
    pub(crate) raw: bool,
    /// redis-server, installed and wanted.
    pub(crate) redis: bool,
}

/// The experiments of the mode that was asked for.
pub(crate) fn experiments(options: &Options, rivals: Rivals, threads: usize) -> Vec<Experiment> {
    let plan = Plan {
        options,
        rivals,
        threads,
    };
    let text = options.text_bytes.unwrap_or(64);
    match options.mode {
        Mode::Throughput => plan.throughput_of(&options.connections_or(&[500]), text),
        Mode::Raw => plan.raw(&options.connections_or(&[500])),
        Mode::Latency => vec![plan.latency()],
        Mode::Rooms => vec![plan.rooms()],
        Mode::Connect => vec![plan.connect()],
        Mode::Idle => vec![plan.idle()],
        Mode::Stalled => vec![plan.stalled()],
        Mode::Languages => vec![plan.languages()],
        Mode::All => {
            let mut all = plan.throughput_of(&[500, 50, 200, 1000, 5000], 64);
            all.extend(plan.throughput_of(&[500], 500));
            all.extend([
                plan.latency(),
                plan.rooms(),
                plan.languages(),
                plan.idle(),
                plan.connect(),
                plan.stalled(),
            ]);
            all
        }
    }
}

struct Plan<'a> {
    options: &'a Options,
    rivals: Rivals,
    threads: usize,
}

impl Plan<'_> {
    fn workload(&self, connections: usize) -> Workload {
        let options = self.options;
        Workload {
            connections,
            rooms: 1,
            senders: options.senders.min(connections),
            text_bytes: options.text_bytes.unwrap_or(64),
            pace: Pace::Window {
                lines: options.in_flight as u64,
            },
            stalled: 0,
            languages: None,
            check: options.check,
            threads: self.threads,
            poll: options.poll_or(100),
            warmup: Duration::from_secs_f64(options.warmup),
            measured: options.measured_or(5.0),
            idle: Duration::ZERO,
        }
    }

    /// The raw ceiling first, then chatd, then Redis: figures use these places.
    fn entries(&self, workload: &Workload, raw: Contender) -> Vec<Entry> {
        let contenders = [
            (self.rivals.raw, raw),
            (true, Contender::Chatd),
            (self.rivals.redis, Contender::Redis),
        ];
        let wanted = contenders.into_iter().filter(|(wanted, _)| *wanted);
        wanted
            .map(|(_, contender)| entry(contender.label(), contender, workload))
            .collect()
    }

    fn throughput_of(&self, sizes: &[usize], text_bytes: usize) -> Vec<Experiment> {
        let sizes = sizes.iter();
        sizes
            .map(|&connections| {
                self.throughput(Workload {
                    text_bytes,
                    ..self.workload(connections)
                })
            })
            .collect()
    }

    fn throughput(&self, workload: Workload) -> Experiment {
        let entries = self.entries(&workload, Contender::RawBlast);
        // The promised share of the ceiling: 85 % at the size that is tuned for, less elsewhere.
        let share = match (workload.connections, workload.text_bytes) {
            (500, 64) => Bound::AtLeast(0.85),
            (500, 500) => Bound::AtLeast(0.80),
            (50 | 200 | 1000 | 5000, 64) => Bound::AtLeast(0.75),
            _ => Bound::None,
        };
        let times = match (workload.connections, workload.text_bytes) {
            (500, 64) => Bound::AtLeast(12.0),
            _ => Bound::None,
        };
        let rate: fn(&Outcome) -> f64 = |outcome| outcome.bytes_per_second;
        let lines: fn(&Outcome) -> f64 = |outcome| outcome.deliveries_per_second;
        let mut figures = Vec::new();
        figures.extend(ratio(&entries, "chatd", "raw", "bytes/s", rate, share));
        // Less noisy where others take the server's core in the middle of a run.
        let work: fn(&Outcome) -> f64 = |outcome| 1.0 / outcome.cpu_per_byte;
        let what = "bytes per CPU second";
        figures.extend(ratio(&entries, "chatd", "raw", what, work, Bound::None));
        figures.extend(ratio(
            &entries,
            "chatd",
            "redis",
            "deliveries/s",
            lines,
            times,
        ));
        Experiment {
            title: format!(
                "throughput: {} connections in one room, {} senders, {} B texts, {} lines in flight a sender",
                workload.connections, workload.senders, workload.text_bytes, self.options.in_flight,
            ),
            entries,
            measures: throughput_measures(),
            figures,
        }
    }

    fn raw(&self, sizes: &[usize]) -> Vec<Experiment> {
        let sizes = sizes.iter();
        sizes
            .map(|&connections| Experiment {
                title: format!("raw ceiling: 64 KiB to each of {connections} sockets in turn"),
                entries: vec![entry(
                    "raw",
                    Contender::RawBlast,
                    &self.workload(connections),
                )],
                measures: throughput_measures(),
                figures: Vec::new(),
            })
            .collect()
    }

    fn latency(&self) -> Experiment {
        let connections = self.options.connections_or(&[200])[0];
        let workload = Workload {
            pace: Pace::Schedule {
                interval: Duration::from_nanos(1_000_000_000 / self.options.rate.max(1)),
            },
            check: Check::Full,
            poll: self.options.poll_or(20),
            ..self.workload(connections)
        };
        let entries = self.entries(&workload, Contender::RawRelay);
        let cpu: fn(&Outcome) -> f64 = |outcome| outcome.cpu_per_delivery;
        let p99: fn(&Outcome) -> f64 = |outcome| quantile(outcome, 0.99);
        let mut figures = Vec::new();
        let (cpu_most, p99_most) = (Bound::AtMost(1.15), Bound::AtMost(1.0));
        figures.extend(ratio(&entries, "chatd", "raw", "CPU", cpu, cpu_most));
        figures.extend(ratio(&entries, "chatd", "redis", "p99", p99, p99_most));
        Experiment {
            title: format!(
                "latency: {} messages a second, one under way at a time, {connections} connections; from when each was due",
                self.options.rate,
            ),
            entries,
            measures: vec![
                measure("p50", Unit::Nanoseconds, |outcome| quantile(outcome, 0.5)),
                measure("p99", Unit::Nanoseconds, p99),
                measure("p99.9", Unit::Nanoseconds, |outcome| {
                    quantile(outcome, 0.999)
                }),
                measure("CPU/delivery", Unit::Nanoseconds, cpu),
                measure("deliveries/s", Unit::Count, |outcome| {
                    outcome.deliveries_per_second
                }),
                measure("server busy", Unit::Percent, |outcome| outcome.server_busy),
            ],
            figures,
        }
    }

    fn rooms(&self) -> Experiment {
        let rooms = self.options.rooms;
        let connections = self.options.connections_or(&[1000])[0];
        let members = connections / rooms;
        let many = Workload {
            connections: members * rooms,
            rooms,
            senders: members,
            ..self.workload(connections)
        };
        let one = Workload {
            connections: members,
            rooms: 1,
            ..many.clone()
        };
        let entries = vec![
            entry(
                &format!("chatd, {rooms} rooms of {members}"),
                Contender::Chatd,
                &many,
            ),
            entry(
                &format!("chatd, 1 room of {members}"),
                Contender::Chatd,
                &one,
            ),
        ];
        Experiment {
            title: format!(
                "rooms: all members talk, {} lines in flight each",
                self.options.in_flight
            ),
            entries,
            measures: throughput_measures(),
            figures: vec![Figure {
                label: "CPU/delivery, many rooms / one room".into(),
                unit: Unit::Plain,
                value: Box::new(|run| run[0].cpu_per_delivery / run[1].cpu_per_delivery),
                bound: Bound::AtMost(1.3),
            }],
        }
    }

    fn languages(&self) -> Experiment {
        let workload = self.workload(self.options.connections_or(&[500])[0]);
        let rooms = [Languages::Text, Languages::Json, Languages::Both];
        let entries = rooms.map(|languages| {
            let workload = Workload {
                languages: Some(languages),
                ..workload.clone()
            };
            entry(languages.label(), Contender::Chatd, &workload)
        });
        let cpu: fn(&Outcome) -> f64 = |outcome| outcome.cpu_per_delivery;
        let figure = |label: &str, value: fn(&[Outcome]) -> f64, bound| Figure {
            label: format!("CPU/delivery, text and JSON / {label}"),
            unit: Unit::Plain,
            value: Box::new(value),
            bound,
        };
        let text: fn(&[Outcome]) -> f64 = |run| run[2].cpu_per_delivery / run[0].cpu_per_delivery;
        let json: fn(&[Outcome]) -> f64 = |run| run[2].cpu_per_delivery / run[1].cpu_per_delivery;
        // Half of its lines are those of one language, half those of the other.
        let mean: fn(&[Outcome]) -> f64 = |run| {
            2.0 * run[2].cpu_per_delivery / (run[0].cpu_per_delivery + run[1].cpu_per_delivery)
        };
        Experiment {
            title: format!(
                "languages: {} connections in one room, 2 speakers, {} B texts, {} lines in flight",
                workload.connections, workload.text_bytes, self.options.in_flight,
            ),
            entries: entries.into(),
            measures: vec![
                measure("deliveries/s", Unit::Count, |outcome| {
                    outcome.deliveries_per_second
                }),
                measure("bytes/s", Unit::Bytes, |outcome| outcome.bytes_per_second),
                measure("CPU/delivery", Unit::Nanoseconds, cpu),
                measure("server busy", Unit::Percent, |outcome| outcome.server_busy),
            ],
            figures: vec![
                figure("mean of both", mean, Bound::AtMost(1.1)),
                figure("JSON", json, Bound::None),
                figure("text", text, Bound::None),
            ],
        }
    }

    /// One silent room and a last line in it: what the joining modes have in common.
    fn silent(&self, connections: usize) -> Workload {
        Workload {
            senders: 1,
            pace: Pace::Few { lines: 1 },
            ..self.workload(connections)
        }
    }

    fn connect(&self) -> Experiment {
        let sizes = self.options.connections_or(&[2500, 5000, 10_000, 19_500]);
        let entries: Vec<Entry> = sizes
            .iter()
            .map(|&size| {
                entry(
                    &format!("chatd, {size}"),
                    Contender::Chatd,
                    &self.silent(size),
                )
            })
            .collect();
        let mut figures = Vec::new();
        for (place, size) in sizes.iter().enumerate() {
            figures.push(Figure {
                label: format!("joins/s at {size}"),
                unit: Unit::Count,
                value: Box::new(move |run| run[place].joins_per_second),
                bound: Bound::AtLeast(10_000.0),
            });
            figures.push(Figure {
                label: format!("resident bytes a connection at {size}"),
                unit: Unit::Memory,
                value: Box::new(move |run| run[place].resident_per_connection),
                // What the process itself takes is shared by too few below that.
                bound: match *size >= 10_000 {
                    true => Bound::AtMost(600.0),
                    false => Bound::None,
                },
            });
        }
        if sizes.len() > 1 {
            figures.push(Figure {
                label: "bytes sent a client, most clients / fewest".into(),
                unit: Unit::Plain,
                value: Box::new(|run| run[run.len() - 1].joining_bytes / run[0].joining_bytes),
                bound: Bound::None,
            });
        }
        Experiment {
            title: "connect: all open, name themselves and join one room; then one line to all"
                .into(),
            entries,
            measures: joining_measures(),
            figures,
        }
    }

    fn idle(&self) -> Experiment {
        let connections = self.options.connections_or(&[10_000])[0];
        let workload = Workload {
            idle: self.options.measured_or(5.0),
            ..self.silent(connections)
        };
        let mut measures = joining_measures();
        measures.push(measure("server busy, idle", Unit::Percent, |outcome| {
            outcome.idle_busy
        }));
        Experiment {
            title: format!("idle: {connections} connections named, joined, silent"),
            entries: vec![entry("chatd", Contender::Chatd, &workload)],
            measures,
            figures: vec![Figure {
                label: "resident bytes a connection".into(),
                unit: Unit::Memory,
                value: Box::new(|run| run[0].resident_per_connection),
                bound: Bound::AtMost(600.0),
            }],
        }
    }

    fn stalled(&self) -> Experiment {
        let connections = self.options.connections_or(&[100])[0];
        let workload = Workload {
            text_bytes: self.options.text_bytes.unwrap_or(1024),
            stalled: self.options.stalled,
            measured: self.options.measured_or(60.0),
            ..self.workload(connections)
        };
        let stalled = workload.stalled as f64;
        Experiment {
            title: format!(
                "stalled: {} readers stop in a busy room of {connections}, {} B texts, until they are cut",
                workload.stalled, workload.text_bytes,
            ),
            measures: vec![
                measure("memory grew by", Unit::Memory, |outcome| {
                    outcome.growth_bytes
                }),
                measure("all cut after", Unit::Seconds, |outcome| {
                    outcome.cut_seconds
                }),
                measure("told why", Unit::Count, |outcome| outcome.told),
            ],
            figures: vec![
                Figure {
                    label: "growth until the last is cut".into(),
                    unit: Unit::Memory,
                    value: Box::new(|run| run[0].growth_bytes),
                    bound: Bound::AtMost(16.0 * 1048576.0),
                },
                Figure {
                    label: "share that was cut and told".into(),
                    unit: Unit::Percent,
                    value: Box::new(move |run| run[0].told / stalled),
                    bound: Bound::None,
                },
            ],
            entries: vec![entry("chatd", Contender::Chatd, &workload)],
        }
    }
}
