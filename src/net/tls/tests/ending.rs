//! What a connection that ends is still owed: sealed behind what is sealed already, and nothing that
//! was left out passes for the whole.

use super::*;

/// What is written behind the end of a session goes on where the kernel's part ends, amid a record,
/// and says that it is all.
#[test]
fn f88_what_is_owed_at_the_end_is_sealed_behind_what_is_sealed_already() {
    let mut table = Table::new(Limits::default());
    let mut ends = table.open(0, Instant::now());
    table.shake_hands(&mut ends);
    let said = vec![b'x'; 1 << 20];
    let mut taken = 0;
    let promised = loop {
        match flush(&mut table, &mut ends, &said) {
            Flush::Took(count) => taken += count,
            Flush::Promised(count) => break count,
            other => panic!("{other:?}"),
        }
    };
    let owed = [&said[..promised], b"and why\n"].concat();
    let (sealed, fault) = table.streams.close(ends.key, Some(&owed));
    assert_eq!(fault, None);
    ends.socket.shutdown(std::net::Shutdown::Write).unwrap();

    let mut sent = Vec::new();
    ends.peer.read_to_end(&mut sent).unwrap();
    let mut rest = &[sent, sealed].concat()[..];
    let mut heard = Vec::new();
    while !rest.is_empty() {
        ends.client.read_tls(&mut rest).unwrap();
        let state = ends.client.process_new_packets().unwrap();
        let mut plain = vec![0; state.plaintext_bytes_to_read()];
        ends.client.reader().read_exact(&mut plain).unwrap();
        heard.extend(plain);
    }
    assert_eq!(heard.len(), taken + owed.len());
    assert!(heard.ends_with(b"xand why\n"));
    let end = ends.client.reader().read(&mut [0; 1]);
    assert_eq!(end.unwrap(), 0, "it was told that this is the end");
}

/// Where more is missing than that, nobody is told that it has heard all.
#[test]
fn where_something_is_left_out_at_the_end_nothing_says_that_it_is_all() {
    let mut table = Table::new(Limits::default());
    let mut ends = table.open(0, Instant::now());
    table.shake_hands(&mut ends);
    while let Flush::Took(_) = flush(&mut table, &mut ends, &[b'x'; 1 << 16]) {}
    let (sealed, _) = table.streams.close(ends.key, None);
    assert!(sealed.is_empty());
}
