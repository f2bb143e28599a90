//! A part of all rows: what is always run, and what a seed draws.

use std::sync::OnceLock;
use std::time::SystemTime;

use rustix::process::Signal;

use crate::support::ServerKind;

use super::cast::Part;
use super::fault::Fault;
use super::row::Moment;
use super::story::Story;

/// At a moment that is drawn.
const ALWAYS: [Fault; 5] = [
    Fault::RclKilled,
    Fault::RclStopped(Signal::INT),
    Fault::Killed(Part::Giver),
    Fault::Killed(Part::Taker),
    Fault::FailedOver,
];

/// How many of the others.
const DRAWN: usize = 1;

/// RCL_SEED, or another one every time; printed, so that a failure can be seen again.
#[expect(clippy::print_stdout, reason = "what is drawn has to be seen")]
fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let given = std::env::var("RCL_SEED").ok();
        let given = given.map(|seed| seed.parse().expect("RCL_SEED is a number"));
        let seed = given.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            since.map_or(1, |since| since.as_secs())
        });
        println!("the faults are drawn with RCL_SEED={seed}");
        seed
    })
}

/// Another sample for each story and kind, the same for the same seed.
pub(super) fn draw(story: Story, kind: ServerKind) -> Vec<(Fault, Moment)> {
    let about = format!("{} on {}", story.name(), kind.name());
    let mut dice = Dice(
        about
            .bytes()
            .fold(seed(), |sum, byte| sum.wrapping_mul(31) + u64::from(byte)),
    );
    let befalls = |fault: &Fault| fault.befalls(story);
    let mut faults: Vec<Fault> = ALWAYS.into_iter().filter(befalls).collect();
    let mut others: Vec<Fault> = Fault::ALL.into_iter().filter(befalls).collect();
    others.retain(|fault| !ALWAYS.contains(fault));
    for _ in 0..DRAWN {
        faults.push(others.swap_remove(dice.below(others.len())));
    }
    let moment = |dice: &mut Dice| Moment::ALL[dice.below(Moment::ALL.len())];
    faults
        .into_iter()
        .map(|fault| (fault, moment(&mut dice)))
        .collect()
}

struct Dice(u64);

impl Dice {
    /// SplitMix64.
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % limit as u64).expect("smaller than a limit")
    }
}
