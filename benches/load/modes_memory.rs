//! The modes whose figures are memory, and how fast it is taken: many who join, are silent, stop
//! reading, or never come in. Parts of the plan of `modes`.

use crate::door::Door;
use crate::doorstep::Doorstep;
use crate::experiment::{Entry, Experiment, Figure, entry, joining_measures, measure};
use crate::frame::Contender;
use crate::member::Pace;
use crate::modes::Plan;
use crate::report::{Bound, Unit};
use crate::run::{Scene, Workload};

impl Plan<'_> {
    /// One silent room and a last line in it: what the joining modes have in common.
    fn silent(&self, connections: usize) -> Workload {
        Workload {
            senders: 1,
            pace: Pace::Few { lines: 1 },
            ..self.workload(connections)
        }
    }

    /// How fast they join, by how many they are and through which door.
    pub(crate) fn connect(&self) -> Experiment {
        let sizes = self.options.connections_or(&[2500, 5000, 10_000, 19_500]);
        let (mut entries, mut figures) = (Vec::new(), Vec::new());
        for size in &sizes {
            for mut row in self.through_doors(&self.silent(*size)) {
                row.label = format!("{}, {size}", row.label);
                figures.extend(joining_figures(entries.len(), &row));
                entries.push(row);
            }
        }
        if sizes.len() > 1 && self.options.door.len() == 1 {
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

    /// What each costs that has joined and is silent.
    pub(crate) fn idle(&self) -> Experiment {
        let connections = self.options.connections_or(&[10_000])[0];
        let workload = Workload {
            idle: self.options.measured_or(5.0),
            ..self.silent(connections)
        };
        let mut measures = joining_measures();
        measures.push(measure("server busy, idle", Unit::Percent, |outcome| {
            outcome.idle_busy
        }));
        let entries = self.through_doors(&workload);
        let figure = |(place, row): (usize, &Entry)| resident_figure(place, row);
        Experiment {
            title: format!("idle: {connections} connections named, joined, silent"),
            measures,
            figures: entries.iter().enumerate().map(figure).collect(),
            entries,
        }
    }

    /// What each costs that has not come in.
    pub(crate) fn doorstep(&self) -> Experiment {
        let connections = self.options.connections_or(&[10_000])[0];
        let steps = [
            (Doorstep::Silent, 400.0),
            (Doorstep::Handshake, 10_000.0),
            (Doorstep::EndlessHello, 26_000.0),
            (Doorstep::EndlessHead, 26_000.0),
        ];
        let entries = steps.map(|(step, _)| {
            let workload = Workload {
                scene: Scene::Doorstep(step),
                ..self.silent(connections)
            };
            entry(step.label(), Contender::Chatd, &workload)
        });
        let figures = steps
            .iter()
            .enumerate()
            .map(|(place, (step, most))| Figure {
                label: format!("resident bytes a connection, {}", step.label()),
                unit: Unit::Memory,
                value: Box::new(move |run| run[place].resident_per_connection),
                bound: Bound::AtMost(*most),
            });
        Experiment {
            title: format!("doorstep: {connections} connections that have not come in"),
            figures: figures.collect(),
            entries: entries.into(),
            measures: vec![measure("resident/connection", Unit::Memory, |outcome| {
                outcome.resident_per_connection
            })],
        }
    }

    /// What readers cost that stop, until they are cut.
    pub(crate) fn stalled(&self) -> Experiment {
        let connections = self.options.connections_or(&[100])[0];
        let workload = Workload {
            text_bytes: self.options.text_bytes.unwrap_or(1024),
            stalled: self.options.stalled,
            measured: self.options.measured_or(60.0),
            ..self.workload(connections)
        };
        let entries = self.through_doors(&workload);
        let mut figures = Vec::new();
        for (place, row) in entries.iter().enumerate() {
            figures.extend(stalled_figures(place, row));
        }
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
            figures,
            entries,
        }
    }
}

/// What a silent member may take.
fn resident_bound(door: Door) -> Bound {
    match door {
        Door::Text => Bound::AtMost(560.0),
        // Nobody has set one.
        Door::Json => Bound::None,
        Door::Ws => Bound::AtMost(800.0),
        Door::Tls => Bound::AtMost(560.0 + TLS_BYTES_MAX),
        Door::Wss => Bound::AtMost(800.0 + TLS_BYTES_MAX),
    }
}

/// What TLS may add to it, with rustls 0.23.
const TLS_BYTES_MAX: f64 = 7_800.0;
/// Below so many, what the process itself takes is shared by too few.
const SHARING_CONNECTIONS_MIN: usize = 10_000;

fn resident_figure(place: usize, row: &Entry) -> Figure {
    let workload = &row.workload;
    Figure {
        label: format!("resident bytes a connection, {}", row.label),
        unit: Unit::Memory,
        value: Box::new(move |run| run[place].resident_per_connection),
        bound: match workload.connections >= SHARING_CONNECTIONS_MIN {
            true => resident_bound(workload.door),
            false => Bound::None,
        },
    }
}

fn joining_figures(place: usize, row: &Entry) -> [Figure; 2] {
    let joins = Figure {
        label: format!("joins/s, {}", row.label),
        unit: Unit::Count,
        value: Box::new(move |run| run[place].joins_per_second),
        bound: match row.workload.door.is_sealed() {
            true => Bound::None,
            false => Bound::AtLeast(10_000.0),
        },
    };
    [joins, resident_figure(place, row)]
}

fn stalled_figures(place: usize, row: &Entry) -> [Figure; 2] {
    let workload = &row.workload;
    let stalled = workload.stalled as f64;
    // The goal is for twenty.
    let most = 4.0 * 1048576.0 * (stalled / 20.0).max(1.0);
    [
        Figure {
            label: format!("growth until the last is cut, {}", row.label),
            unit: Unit::Memory,
            value: Box::new(move |run| run[place].growth_bytes),
            bound: Bound::AtMost(most),
        },
        Figure {
            label: format!("share that was cut and told, {}", row.label),
            unit: Unit::Percent,
            value: Box::new(move |run| run[place].told / stalled),
            bound: Bound::None,
        },
    ]
}
