//! Certificates and keys: the one of our own, those that are given, and both read again while the
//! server runs (row D34 of the table of faults).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, KeyPair};

use crate::common::{Daemon, Signal, TlsClient, TlsTerms, chatd_command, process, run_to_end};

/// A directory of one test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("chatd-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A certificate and its key, as PEM, good from and until these days from now.
fn pem(from_days: i64, until_days: i64) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["chat.example".to_owned()]).unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let day = |days: i64| {
        let seconds = now.as_secs() as i64 + days * 24 * 60 * 60;
        time::OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    };
    params.not_before = day(from_days);
    params.not_after = day(until_days);
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn write_pair(folder: &Folder, (cert, key): &(String, String)) -> [String; 4] {
    let (cert_path, key_path) = (folder.path("cert.pem"), folder.path("key.pem"));
    fs::write(&cert_path, cert).unwrap();
    fs::write(&key_path, key).unwrap();
    ["--tls-cert".into(), cert_path, "--tls-key".into(), key_path]
}

fn start(flags: &[String]) -> Daemon {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    Daemon::start(&flags)
}

/// Exit code and the one line of a start that fails.
fn failing(flags: &[&str]) -> (Option<i32>, String) {
    let ended = run_to_end(chatd_command(
        &[flags, &["--listen", "127.0.0.1:0"]].concat(),
    ));
    assert_eq!(ended.errors.lines().count(), 1, "{ended:?}");
    (ended.code, ended.errors)
}

fn fingerprint(log_line: &str) -> String {
    let (_, print) = log_line.split_once("SHA256:").expect("a fingerprint");
    print.split(' ').next().unwrap().to_owned()
}

#[test]
fn an_own_certificate_is_made_once_and_kept_for_its_owner_alone() {
    let folder = Folder::new("own");
    let flags = ["--data".to_owned(), folder.path("")];
    let mut seen = Vec::new();
    for _ in 0..2 {
        let chatd = start(&flags);
        let client = TlsClient::connect(chatd.address());
        let log = chatd.expect_log(&["TLS with a certificate of its own", "tls.pem"]);
        seen.push((client.certificate(), fingerprint(&log)));
    }
    assert_eq!(seen[0], seen[1], "the same after a restart");
    let mode = fs::metadata(folder.path("tls.pem"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let files = fs::read_dir(&folder.0).unwrap().map(|file| file.unwrap());
    let names: Vec<_> = files.map(|file| file.file_name()).collect();
    let is_known = |name: &&std::ffi::OsString| {
        let name = name.to_string_lossy();
        name == "tls.pem"
            || name == "lock"
            || name.starts_with("history")
            || name.contains(".journal-")
    };
    assert!(names.iter().all(|name| is_known(&name)), "{names:?}");
}

#[test]
fn without_a_place_to_keep_it_the_log_says_that_it_changes() {
    let prints = [(), ()].map(|()| {
        let chatd = Daemon::start(&[]);
        fingerprint(&chatd.expect_log(&["TLS with a certificate of its own", "--data keeps it"]))
    });
    assert_ne!(prints[0], prints[1]);
}

#[test]
fn what_cannot_be_used_at_the_start_is_said_in_one_line() {
    let folder = Folder::new("bad");
    let good = pem(-1, 100);
    let [.., key_path] = write_pair(&folder, &good);
    let cert_path = folder.path("cert.pem");
    let other_key = folder.path("other.pem");
    fs::write(&other_key, pem(-1, 100).1).unwrap();
    let half = folder.path("half.pem");
    fs::write(&half, &good.0[..good.0.len() / 2]).unwrap();
    let empty = folder.path("empty.pem");
    fs::write(&empty, "").unwrap();
    let gone = folder.path("gone.pem");
    for (cert, key, said) in [
        (&cert_path, &other_key, "is not the one of the certificate"),
        (&half, &key_path, "this is no PEM"),
        (&empty, &key_path, "there is no certificate in it"),
        (&cert_path, &cert_path, "there is no private key in it"),
        (&gone, &key_path, "cannot read"),
    ] {
        for check in [&["--check"][..], &[]] {
            let flags = [&["--tls-cert", cert, "--tls-key", key], check].concat();
            let (code, line) = failing(&flags);
            assert_eq!(code, Some(78), "{line}");
            assert!(line.contains(said), "{line}");
        }
    }
    let (code, line) = failing(&["--tls-cert", &cert_path]);
    assert_eq!(code, Some(2), "{line}");
    let (code, line) = failing(&["--data", &folder.path("nowhere")]);
    assert_eq!(code, Some(78), "{line}");
    assert!(line.contains("make it first"), "{line}");
    fs::write(folder.path("tls.pem"), "broken").unwrap();
    let (code, line) = failing(&["--data", &folder.path("")]);
    assert_eq!(code, Some(78), "{line}");
    // Nobody asks for a certificate where TLS is off.
    let off = [
        "--tls=off",
        "--tls-cert",
        &gone,
        "--tls-key",
        &gone,
        "--check",
    ];
    assert_eq!(run_to_end(chatd_command(&off)).code, Some(0));
}

#[test]
fn a_certificate_that_ends_soon_is_warned_of() {
    let folder = Folder::new("soon");
    for (until, said) in [
        (13, "the certificate expires on"),
        (-1, "the certificate expired on"),
    ] {
        let chatd = start(&write_pair(&folder, &pem(-30, until)));
        chatd.expect_log(&["WARN", said]);
        TlsClient::connect(chatd.address());
    }
}

#[test]
fn an_rsa_key_is_warned_of_and_serves() {
    let folder = Folder::new("rsa");
    let (cert, key) = (folder.path("cert.pem"), folder.path("key.pem"));
    let made = std::process::Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=x",
        ])
        .args(["-keyout", &key, "-out", &cert])
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        return eprintln!("left out: there is no openssl here");
    }
    let chatd = Daemon::start(&["--tls-cert", &cert, "--tls-key", &key]);
    chatd.expect_log(&["WARN", "is RSA"]);
    for terms in [TlsTerms::new(), TlsTerms::tls12()] {
        TlsClient::connect_with(chatd.address(), &terms);
    }
}

#[test]
fn d34_a_reload_shows_the_new_one_and_any_fault_keeps_the_old() {
    let folder = Folder::new("reload");
    let chatd = start(&write_pair(&folder, &pem(-1, 100)));
    let terms = TlsTerms::resuming();
    let mut early = TlsClient::connect_with(chatd.address(), &terms);
    early.say("early");
    early.expect_prefix("* welcome to lobby, early");
    early.lines_until_pong();
    let old = early.certificate();
    let mut again = TlsClient::connect_with(chatd.address(), &terms);
    assert!(again.has_resumed());
    again.say("again");
    again.expect_prefix("* welcome to lobby, again");
    early.expect_line("* again joined (2 here)");

    let good = pem(-1, 100);
    let spoil: [(&str, &dyn Fn()); 5] = [
        ("cannot read", &|| {
            fs::remove_file(folder.path("key.pem")).unwrap()
        }),
        ("this is no PEM", &|| {
            write_pair(&folder, &good);
            fs::write(folder.path("cert.pem"), &good.0[..good.0.len() / 2]).unwrap();
        }),
        ("is not the one of the certificate", &|| {
            write_pair(&folder, &(good.0.clone(), pem(-1, 100).1));
        }),
        ("out of date", &|| {
            write_pair(&folder, &pem(-30, -1));
        }),
        ("there is no certificate in it", &|| {
            write_pair(&folder, &(String::new(), good.1.clone()));
        }),
    ];
    for (said, spoil) in spoil {
        spoil();
        chatd.signal(Signal::HUP);
        chatd.expect_log(&["the old certificate stays", said]);
        let client = TlsClient::connect(chatd.address());
        assert_eq!(client.certificate(), old, "{said}");
    }

    write_pair(&folder, &good);
    chatd.signal(Signal::HUP);
    let is_told = |lines: &[String]| lines.iter().filter(|l| l.contains("TLS with")).count() == 2;
    let deadline = std::time::Instant::now() + crate::common::PATIENCE;
    while !is_told(&chatd.log_lines()) {
        assert!(std::time::Instant::now() < deadline, "the new one is told");
        early.lines_until_pong();
    }
    let late = TlsClient::connect_with(chatd.address(), &terms);
    assert!(
        !late.has_resumed(),
        "a ticket of the old one is worth nothing"
    );
    assert_ne!(late.certificate(), old);
    // Who was there talks on.
    again.say("still here");
    early.expect_line("<again> still here");
}

#[test]
fn d34_where_no_file_can_be_opened_the_old_one_stays() {
    let folder = Folder::new("files");
    let chatd = start(&write_pair(&folder, &pem(-1, 100)));
    let mut ann = TlsClient::connect(chatd.address());
    ann.say("ann");
    ann.expect_prefix("* welcome to lobby, ann");
    let old = ann.certificate();
    write_pair(&folder, &pem(-1, 100));
    process::allow_no_more_files(chatd.id());
    chatd.signal(Signal::HUP);
    chatd.expect_log(&["the old certificate stays", "cannot read"]);
    process::allow_files(chatd.id());
    assert_eq!(TlsClient::connect(chatd.address()).certificate(), old);
    chatd.signal(Signal::HUP);
    let deadline = std::time::Instant::now() + crate::common::PATIENCE;
    while TlsClient::connect(chatd.address()).certificate() == old {
        assert!(std::time::Instant::now() < deadline, "the new one is shown");
    }
    ann.lines_until_pong();
}

#[test]
fn d34_nobody_notices_a_thousand_reloads() {
    let folder = Folder::new("thousand");
    let chatd = start(&write_pair(&folder, &pem(-1, 100)));
    let mut ann = TlsClient::connect(chatd.address());
    ann.say("ann");
    ann.expect_prefix("* welcome to lobby, ann");
    for _ in 0..1000 {
        chatd.signal(Signal::HUP);
    }
    ann.lines_until_pong();
    TlsClient::connect(chatd.address());
    assert!(Path::new(&folder.path("key.pem")).exists());
}
