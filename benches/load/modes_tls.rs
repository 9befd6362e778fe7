//! The modes about handshakes of TLS. Parts of the plan of `modes`.

use crate::door::Door;
use crate::experiment::{Experiment, Figure, Measure, entry, measure, quantile};
use crate::frame::Contender;
use crate::modes::Plan;
use crate::report::{Bound, Unit};
use crate::run::{Outcome, Scene, Workload};

/// Connections that shake hands at a time, where nothing else was asked for.
const AT_A_TIME: usize = 100;

impl Plan<'_> {
    /// Full handshakes: what the whole server makes of the CPU time that rustls needs.
    pub(crate) fn handshakes(&self) -> Experiment {
        let workload = self.handshaking(Scene::Handshakes(self.options.server_arg.clone()));
        Experiment {
            title: format!(
                "handshakes: full ones of TLS 1.3, {} at a time; rustls alone has its server's half in memory",
                workload.connections,
            ),
            entries: vec![
                entry("rustls alone", Contender::RustlsAlone, &workload),
                entry("chatd", Contender::Chatd, &workload),
            ],
            measures: vec![
                handshakes_measure(),
                measure("CPU/handshake", Unit::Nanoseconds, |outcome| {
                    outcome.cpu_per_handshake
                }),
                measure("server busy", Unit::Percent, |outcome| outcome.server_busy),
                measure("core taken", Unit::Percent, |outcome| outcome.core_taken),
            ],
            figures: vec![Figure {
                label: "handshakes per CPU second, chatd / rustls alone".into(),
                unit: Unit::Plain,
                value: Box::new(|run| run[0].cpu_per_handshake / run[1].cpu_per_handshake),
                bound: Bound::AtLeast(0.75),
            }],
        }
    }

    /// A quiet talk, alone and beside handshakes.
    pub(crate) fn flood(&self) -> Experiment {
        let flood = self.handshaking(Scene::Flood);
        let quiet = Workload {
            connections: 0,
            ..flood.clone()
        };
        let p99: fn(&Outcome) -> f64 = |outcome| quantile(outcome, 0.99);
        Experiment {
            title: format!(
                "flood: a line every 5 ms to one who listens, beside {} connections at a time that begin a handshake and hang up; from when each was due",
                flood.connections,
            ),
            entries: vec![
                entry("chatd, quiet", Contender::Chatd, &quiet),
                entry("chatd, flood", Contender::Chatd, &flood),
            ],
            measures: vec![
                measure("p50", Unit::Nanoseconds, |outcome| quantile(outcome, 0.5)),
                measure("p99", Unit::Nanoseconds, p99),
                measure("most", Unit::Nanoseconds, |outcome| quantile(outcome, 1.0)),
                handshakes_measure(),
                measure("server busy", Unit::Percent, |outcome| outcome.server_busy),
            ],
            figures: vec![Figure {
                label: "p99 in the flood".into(),
                unit: Unit::Nanoseconds,
                value: Box::new(move |run| p99(&run[1])),
                bound: Bound::AtMost(20e6),
            }],
        }
    }

    fn handshaking(&self, scene: Scene) -> Workload {
        let connections = self.options.connections_or(&[AT_A_TIME])[0];
        Workload {
            door: Door::Tls,
            scene,
            poll: self.options.poll_or(20),
            ..self.workload(connections)
        }
    }
}

fn handshakes_measure() -> Measure {
    measure("handshakes/s", Unit::Count, |outcome| {
        outcome.handshakes_per_second
    })
}
