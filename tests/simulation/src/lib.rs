//! Worker and publisher under faults that no server can be asked for.
//!
//! One thread, one seed: the machines of `worker`, `publisher`, `centrifuge` and `claim` and
//! the rules of `ledger` are the real ones; broker, Redis, the ledger's store, the network and
//! the clients are made up, and fail as the seed says, between any two events. The same seed
//! always plays the same run.
//!
//! An oracle that knows what was accepted judges each frame a client reads, and the ledger
//! once everything has come to rest.

mod broker;
mod chance;
mod client;
mod mutant;
mod oracle;
mod publisher;
mod redis;
mod scenario;
mod truth;
mod worker;
mod world;

pub use mutant::Mutant;

use world::World;

/// A promise that a run broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The run.
    pub seed: u64,
    /// Which promise, and how.
    pub what: String,
    /// Every event up to it.
    pub events: Vec<String>,
}

/// Plays the run of a seed, with drivers that are as they should be or with one mutant.
///
/// # Errors
/// With the first promise that is broken.
pub fn play(seed: u64, mutant: Option<Mutant>) -> Result<(), Box<Broken>> {
    let Err(what) = World::new(seed, mutant, false).play() else {
        return Ok(());
    };
    let events = events(seed, mutant);
    Err(Box::new(Broken { seed, what, events }))
}

/// What happens in the run of a seed.
#[must_use]
pub fn events(seed: u64, mutant: Option<Mutant>) -> Vec<String> {
    let mut world = World::new(seed, mutant, true);
    let ending = world.play();
    world.tell(|| format!("{ending:?}"));
    world.log()
}
