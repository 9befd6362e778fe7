//! load: measures a chat server from outside, and in the same run what it is compared with.
//! It is not a test: it asserts no speed, but a run that lost, repeated or changed a line fails.
//!
//! The way of a run: `modes` says what is done, `experiment` does it in turns, `servers` starts a
//! server on its core, `run` deals the connections to threads (`worker`), each of which opens them
//! (`connect`, over `stream`) and then receives, checks and sends in a loop (`driver`, over `member`
//! and `intake`); what the threads tell each other is `progress`; `conduct` measures; `report` writes
//! the table. `raw` and `sealed` are the ceilings, in a process of their own; `languages`,
//! `doorstep`, `handshakes` and `flood` are runs of their own kinds. The words of each protocol are
//! in `frame` and `program`, and `parser` knows which is due; which ways in there are is `door`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "it measures"
)]

use std::process::ExitCode;

use clap::Parser;

use crate::machine::Cores;
use crate::modes::Rivals;
use crate::options::{Options, Rival};
use crate::report::Table;

mod conduct;
mod connect;
mod door;
mod doorstep;
mod driver;
mod experiment;
mod fault;
mod flood;
mod frame;
mod handshakes;
mod intake;
mod languages;
mod machine;
mod member;
mod modes;
mod modes_memory;
mod modes_tls;
mod options;
mod parser;
mod program;
mod progress;
mod raw;
mod record;
mod report;
mod run;
mod sealed;
mod servers;
mod sieve;
mod stream;
mod tls;
mod worker;

fn main() -> ExitCode {
    // `cargo test --benches` starts this without --bench: then nothing heavy may happen.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("load measures only when started by: cargo bench --bench load -- --help");
        return ExitCode::SUCCESS;
    }
    let options = Options::parse();
    machine::raise_file_limit();
    if let Some(role) = options.raw_server {
        let connections = options.connections_or(&[0])[0];
        return match raw::serve(role, connections, options.raw_send_bytes) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("the raw ceiling failed: {error}")),
        };
    }
    if let Some(words) = options.fault() {
        return fail(&words);
    }
    let cores = Cores::split(options.server_cpu);
    cores.keep_to_own();
    let threads = options.threads.unwrap_or(cores.own_count()).max(1);
    let experiments = modes::experiments(&options, rivals(&options), threads);
    let mut tables = Vec::new();
    let mut code = ExitCode::SUCCESS;
    for experiment in &experiments {
        match experiment::perform(experiment, &options, &cores) {
            Ok(table) => {
                if !options.json {
                    println!("{}", table.to_text());
                }
                tables.push(table);
            }
            Err(words) => code = fail(&format!("{}\n  failed: {words}", experiment.title)),
        }
    }
    if options.json {
        let tables: Vec<String> = tables.iter().map(Table::to_json).collect();
        println!("[{}]", tables.join(","));
    }
    code
}

fn fail(words: &str) -> ExitCode {
    eprintln!("load: {words}");
    ExitCode::FAILURE
}

fn rivals(options: &Options) -> Rivals {
    let redis = options.has(Rival::Redis);
    let is_installed = redis && servers::has_redis();
    if redis && !is_installed {
        eprintln!("load: redis-server is not installed, so there is no comparison with it");
    }
    Rivals {
        raw: options.has(Rival::Raw),
        redis: is_installed,
    }
}
