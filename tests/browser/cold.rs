//! D03: a Firefox that was never started before. It connects long before it asks: what is said to it
//! meanwhile would be taken for the answer.

use std::time::Instant;

use super::common::Daemon;
use super::firefox::Firefox;
use super::page::IS_UP;
use super::talking::expect_said;

#[test]
fn d03_a_cold_firefox_is_in_the_chat_ten_times_of_ten() {
    const STARTS: usize = 10;
    let chatd = Daemon::start(&[]);
    let mut ben = chatd.enter("ben", &["lobby"]);
    for number in 0..STARTS {
        let start = Instant::now();
        let Some(mut firefox) = Firefox::start_at(&format!("http://{}/", chatd.address())) else {
            return;
        };
        firefox.wait("document.activeElement.id === 'name' && document.hasFocus()");
        firefox.say(&format!("fox{number}"));
        firefox.wait(IS_UP);
        println!("start {number}: in the chat after {:?}", start.elapsed());
        let heard = format!("hello from {number}");
        firefox.say(&heard);
        assert_eq!(
            expect_said(&mut ben, &heard)["from"],
            format!("fox{number}")
        );
        let told = format!("hello to {number}");
        ben.say_in("lobby", &told);
        firefox.wait(&format!(
            "document.querySelector('#lines').textContent.includes('{told}')"
        ));
    }
}
