//! [`Seed`]: random input that can be had again. Not a random generator of its own (that is
//! `fastrand`), only the way a property test gets one and says how to repeat itself.

/// Where a test's random input comes from. When the test fails, it prints how to replay it.
pub struct Seed(u64);

impl Seed {
    /// The environment variable that replays a run.
    const VARIABLE: &str = "TEST_SEED";

    /// The seed of the environment if there is one, else a new one.
    pub fn of_environment_or_new() -> Seed {
        Seed(match std::env::var(Seed::VARIABLE) {
            Ok(text) => text.parse().expect("the seed is a whole number"),
            Err(_) => fastrand::u64(..),
        })
    }

    /// A generator that gives the same for the same seed.
    pub fn generator(&self) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.0)
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to replay this: {}={} cargo test …", Seed::VARIABLE, self.0);
        }
    }
}
