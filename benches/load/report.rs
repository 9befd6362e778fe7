//! Figures as a table for people or as JSON for machines: median (least–most) of the runs.
//! It measures nothing and judges only by comparing a median with its bound.

use std::fmt::Write;

/// How a figure is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    /// A number, shortened with k, M, G.
    Count,
    /// Bytes over a line, shortened in thousands.
    Bytes,
    /// Bytes of memory, shortened in steps of 1024.
    Memory,
    /// A share of one.
    Percent,
    /// Nanoseconds, shortened to µs, ms or s.
    Nanoseconds,
    /// Seconds.
    Seconds,
    /// A ratio or a small number.
    Plain,
}

/// One column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    /// Its heading.
    pub(crate) name: &'static str,
    /// How its figures are written.
    pub(crate) unit: Unit,
}

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    /// No less.
    AtLeast(f64),
    /// No more.
    AtMost(f64),
    /// Only shown.
    None,
}

/// A line of a table: one server under one workload, all its runs.
#[derive(Debug)]
pub(crate) struct Row {
    /// Which server and size.
    pub(crate) label: String,
    /// One list of figures for each run, in the order of the columns.
    pub(crate) runs: Vec<Vec<f64>>,
}

/// A figure made of the rows of each run, and what it should be.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// What it says.
    pub(crate) label: String,
    /// How it is written.
    pub(crate) unit: Unit,
    /// One for each run.
    pub(crate) runs: Vec<f64>,
    /// What it should be.
    pub(crate) bound: Bound,
}

/// The result of one experiment.
#[derive(Debug)]
pub(crate) struct Table {
    /// What was done.
    pub(crate) title: String,
    /// Its columns.
    pub(crate) columns: Vec<Column>,
    /// Its rows.
    pub(crate) rows: Vec<Row>,
    /// What follows from them.
    pub(crate) verdicts: Vec<Verdict>,
    /// What a reader of the figures must know.
    pub(crate) notes: Vec<String>,
}

impl Verdict {
    /// Whether the median keeps the bound; nothing is said where there is none.
    fn is_met(&self) -> Option<bool> {
        let median = Some(median(&self.runs)).filter(|median| median.is_finite())?;
        match self.bound {
            Bound::AtLeast(least) => Some(median >= least),
            Bound::AtMost(most) => Some(median <= most),
            Bound::None => None,
        }
    }

    fn bound_words(&self) -> String {
        let (sign, bound) = match self.bound {
            Bound::AtLeast(bound) => ("≥", bound),
            Bound::AtMost(bound) => ("≤", bound),
            Bound::None => return String::new(),
        };
        let word = match self.is_met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "not known",
        };
        format!("   {sign} {}: {word}", write_figure(bound, self.unit))
    }
}

impl Table {
    /// For people.
    pub(crate) fn to_text(&self) -> String {
        let heading = |column: &Column| column.name.to_owned();
        let mut lines = vec![vec![String::new()]];
        lines[0].extend(self.columns.iter().map(heading));
        for row in &self.rows {
            let mut line = vec![row.label.clone()];
            for (place, column) in self.columns.iter().enumerate() {
                let runs: Vec<f64> = row.runs.iter().map(|run| run[place]).collect();
                line.push(write_runs(&runs, column.unit));
            }
            lines.push(line);
        }
        let width = |place: usize| {
            let widths = lines.iter().map(|line| line[place].chars().count());
            widths.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..=self.columns.len()).map(width).collect();
        let mut text = format!("\n{}\n", self.title);
        for line in &lines {
            for (cell, width) in line.iter().zip(&widths) {
                // Writing to a String cannot fail.
                let _ = write!(text, "  {cell:<width$}");
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        for verdict in &self.verdicts {
            let runs = write_runs(&verdict.runs, verdict.unit);
            let bound = verdict.bound_words();
            let _ = writeln!(text, "  {}: {runs}{bound}", verdict.label);
        }
        for note in &self.notes {
            let _ = writeln!(text, "  note: {note}");
        }
        text
    }

    /// For machines.
    pub(crate) fn to_json(&self) -> String {
        let rows = self.rows.iter().map(|row| {
            let runs = row.runs.iter().map(|run| {
                let fields = self.columns.iter().zip(run);
                let fields =
                    fields.map(|(column, value)| format!("{:?}:{}", column.name, number(*value)));
                format!("{{{}}}", list(fields))
            });
            format!("{{\"server\":{:?},\"runs\":[{}]}}", row.label, list(runs))
        });
        let verdicts = self.verdicts.iter().map(|verdict| {
            let runs = list(verdict.runs.iter().map(|value| number(*value)));
            let (least, most) = match verdict.bound {
                Bound::AtLeast(bound) => (number(bound), "null".to_owned()),
                Bound::AtMost(bound) => ("null".to_owned(), number(bound)),
                Bound::None => ("null".to_owned(), "null".to_owned()),
            };
            let met = verdict
                .is_met()
                .map_or("null".to_owned(), |met| met.to_string());
            format!(
                "{{\"figure\":{:?},\"runs\":[{runs}],\"least\":{least},\"most\":{most},\"met\":{met}}}",
                verdict.label
            )
        });
        format!(
            "{{\"title\":{:?},\"rows\":[{}],\"verdicts\":[{}],\"notes\":[{}]}}",
            self.title,
            list(rows),
            list(verdicts),
            list(self.notes.iter().map(|note| format!("{note:?}")))
        )
    }
}

fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<String>>().join(",")
}

/// JSON has no word for what is not a number.
fn number(value: f64) -> String {
    if value.is_finite() {
        value.to_string()
    } else {
        "null".to_owned()
    }
}

fn median(runs: &[f64]) -> f64 {
    let mut sorted = runs.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => (sorted[count / 2 - 1] + sorted[count / 2]) / 2.0,
    }
}

fn write_runs(runs: &[f64], unit: Unit) -> String {
    let middle = write_figure(median(runs), unit);
    if runs.len() < 2 || !median(runs).is_finite() {
        return middle;
    }
    let least = runs.iter().copied().fold(f64::INFINITY, f64::min);
    let most = runs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (least, most) = (write_figure(least, unit), write_figure(most, unit));
    format!("{middle} ({least}–{most})")
}

fn write_figure(value: f64, unit: Unit) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    match unit {
        Unit::Count => scaled(value, &[(1e9, " G"), (1e6, " M"), (1e3, " k")], ""),
        Unit::Bytes => {
            let steps = [(1e9, " GB"), (1e6, " MB"), (1e3, " kB")];
            scaled(value, &steps, " B")
        }
        Unit::Memory => {
            let steps = [(1048576.0, " MiB"), (1024.0, " KiB")];
            scaled(value, &steps, " B")
        }
        Unit::Percent => format!("{:.0} %", value * 100.0),
        Unit::Nanoseconds => scaled(value, &[(1e9, " s"), (1e6, " ms"), (1e3, " µs")], " ns"),
        Unit::Seconds => format!("{value:.2} s"),
        Unit::Plain => format!("{value:.2}"),
    }
}

fn scaled(value: f64, steps: &[(f64, &str)], plain: &str) -> String {
    let step = steps.iter().find(|(size, _)| value.abs() >= *size);
    match step {
        Some((size, name)) => format!("{:.2}{name}", value / size),
        None => format!("{value:.0}{plain}"),
    }
}
