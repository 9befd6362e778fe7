//! An experiment: servers under workloads, run in turns as often as asked, and what is made of
//! the outcomes. Which experiments there are is `modes`; how one run is made is `run`.

use crate::fault::Fault;
use crate::frame::Contender;
use crate::machine::Cores;
use crate::member::Pace;
use crate::options::Options;
use crate::report::{Bound, Column, Row, Table, Unit, Verdict};
use crate::run::{self, Outcome, Scene, Workload};
use crate::servers::Server;

/// A server under a workload: one row of a table.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its words in the table.
    pub(crate) label: String,
    /// Which server.
    pub(crate) contender: Contender,
    /// What is done to it.
    pub(crate) workload: Workload,
    /// It is the chatd that was given with --before.
    pub(crate) is_before: bool,
}

/// A column, and how it is got.
pub(crate) struct Measure {
    /// Heading and unit.
    pub(crate) column: Column,
    /// From what was measured.
    pub(crate) value: fn(&Outcome) -> f64,
}

/// Makes a figure of the outcomes of one run, in the order of the entries.
pub(crate) type OfRun = Box<dyn Fn(&[Outcome]) -> f64>;

/// A figure over the rows of one run.
pub(crate) struct Figure {
    /// What it says.
    pub(crate) label: String,
    /// How it is written.
    pub(crate) unit: Unit,
    /// From the outcomes of one run, in the order of the entries.
    pub(crate) value: OfRun,
    /// What it should be.
    pub(crate) bound: Bound,
}

/// Entries that are run in turns, as often as asked, and compared.
pub(crate) struct Experiment {
    /// What is done.
    pub(crate) title: String,
    /// By and to whom.
    pub(crate) entries: Vec<Entry>,
    /// What is shown.
    pub(crate) measures: Vec<Measure>,
    /// What follows.
    pub(crate) figures: Vec<Figure>,
}

/// All runs of an experiment, its servers in turns, so that a noisy minute strikes all alike.
pub(crate) fn perform(
    experiment: &Experiment,
    options: &Options,
    cores: &Cores,
) -> Result<Table, String> {
    let mut runs: Vec<Vec<Outcome>> = Vec::new();
    for number in 1..=options.runs {
        let mut run = Vec::new();
        for entry in &experiment.entries {
            eprintln!(
                "load: {}: {} (run {number} of {})",
                experiment.title, entry.label, options.runs
            );
            let workload = &entry.workload;
            let server = Server::start(entry, options, cores)
                .map_err(|fault| format!("{}: {fault}", entry.label))?;
            let outcome =
                run::execute(workload, entry.contender, &server).map_err(|fault: Fault| {
                    let words = server.last_words();
                    format!("{}: {fault}\n{words}", entry.label)
                })?;
            run.push(outcome);
        }
        runs.push(run);
    }
    Ok(tabulate(experiment, &runs))
}

fn tabulate(experiment: &Experiment, runs: &[Vec<Outcome>]) -> Table {
    let measures = &experiment.measures;
    let figures_of = |outcome: &Outcome| {
        let values = measures.iter().map(|measure| (measure.value)(outcome));
        values.collect::<Vec<f64>>()
    };
    let rows = experiment
        .entries
        .iter()
        .enumerate()
        .map(|(place, entry)| Row {
            label: entry.label.clone(),
            runs: runs.iter().map(|run| figures_of(&run[place])).collect(),
        });
    let verdict = |figure: &Figure| Verdict {
        label: figure.label.clone(),
        unit: figure.unit,
        runs: runs.iter().map(|run| (figure.value)(run)).collect(),
        bound: figure.bound,
    };
    Table {
        title: experiment.title.clone(),
        columns: measures.iter().map(|measure| measure.column).collect(),
        rows: rows.collect(),
        verdicts: experiment.figures.iter().map(verdict).collect(),
        notes: notes(experiment, runs),
    }
}

/// Where a server was meant to be busy all the time and was not, something else was the limit;
/// and where others had its core, the rates say little.
fn notes(experiment: &Experiment, runs: &[Vec<Outcome>]) -> Vec<String> {
    let mut notes = Vec::new();
    let saturated = |entry: &Entry| {
        matches!(entry.workload.pace, Pace::Window { .. })
            && matches!(entry.workload.scene, Scene::Rooms)
    };
    for (place, entry) in experiment.entries.iter().enumerate() {
        let all = || runs.iter().map(|run| &run[place]);
        let idle = all().map(|outcome| 1.0 - outcome.server_busy - outcome.core_taken);
        let idle = idle.fold(0.0, f64::max);
        if saturated(entry) && idle > 0.1 {
            notes.push(format!(
                "{} was idle up to {:.0} % of a run: the generator or the window was the limit",
                entry.label,
                idle * 100.0
            ));
        }
        let taken = all().map(|outcome| outcome.core_taken).fold(0.0, f64::max);
        if taken > 0.1 {
            notes.push(format!(
                "{} had its core taken by others for up to {:.0} % of a run: repeat on a quiet machine",
                entry.label,
                taken * 100.0
            ));
        }
    }
    notes
}

/// A row.
pub(crate) fn entry(label: &str, contender: Contender, workload: &Workload) -> Entry {
    Entry {
        label: label.to_owned(),
        contender,
        workload: workload.clone(),
        is_before: false,
    }
}

/// A column.
pub(crate) fn measure(name: &'static str, unit: Unit, value: fn(&Outcome) -> f64) -> Measure {
    Measure {
        column: Column { name, unit },
        value,
    }
}

/// The delivery time that this share of all stayed under, in nanoseconds.
pub(crate) fn quantile(outcome: &Outcome, share: f64) -> f64 {
    outcome.times.value_at_quantile(share) as f64
}

/// One row by another, where both are there.
pub(crate) fn ratio(
    entries: &[Entry],
    of: &str,
    by: &str,
    what: &str,
    value: fn(&Outcome) -> f64,
    bound: Bound,
) -> Option<Figure> {
    let place = |label: &str| entries.iter().position(|entry| entry.label == label);
    let (of_place, by_place) = (place(of)?, place(by)?);
    Some(Figure {
        label: format!("{what}, {of} / {by}"),
        unit: Unit::Plain,
        value: Box::new(move |run| value(&run[of_place]) / value(&run[by_place])),
        bound,
    })
}

/// What is shown of a room under load.
pub(crate) fn throughput_measures() -> Vec<Measure> {
    vec![
        measure("deliveries/s", Unit::Count, |outcome| {
            outcome.deliveries_per_second
        }),
        measure("bytes/s", Unit::Bytes, |outcome| outcome.bytes_per_second),
        measure("CPU/delivery", Unit::Nanoseconds, |outcome| {
            outcome.cpu_per_delivery
        }),
        measure("server busy", Unit::Percent, |outcome| outcome.server_busy),
        measure("core taken", Unit::Percent, |outcome| outcome.core_taken),
        measure("generator cores", Unit::Plain, |outcome| {
            outcome.generator_cores
        }),
    ]
}

/// What is shown of many who join.
pub(crate) fn joining_measures() -> Vec<Measure> {
    vec![
        measure("joins/s", Unit::Count, |outcome| outcome.joins_per_second),
        measure("bytes sent/client", Unit::Bytes, |outcome| {
            outcome.joining_bytes
        }),
        measure("resident/client", Unit::Memory, |outcome| {
            outcome.resident_per_connection
        }),
        measure("a line reached all in", Unit::Seconds, |outcome| {
            outcome.reach_seconds
        }),
    ]
}
