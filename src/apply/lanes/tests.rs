//! How a move is shared out, and what is told when a lane fails.

use super::*;
use crate::plan::Bounds;

fn transfer(pause: Duration, torn: &str) -> Transfer {
    let id = |digit: &str| digit.repeat(40).parse().unwrap();
    Transfer {
        source: id("a"),
        target: id("b"),
        address: "127.0.0.1:7001".parse().unwrap(),
        login: None,
        slots: "0-99".parse().unwrap(),
        open: "40-41".parse().unwrap(),
        torn: torn.parse().unwrap_or_default(),
        engine: Engine::Classic(Bounds {
            batch: 100,
            bytes: 1 << 20,
            pause,
            limit: Duration::from_millis(2500),
            waits: false,
        }),
    }
}

fn slots(lanes: &[Transfer]) -> Vec<[String; 2]> {
    let of = |lane: &Transfer| [lane.slots.to_string(), lane.open.to_string()];
    lanes.iter().map(of).collect()
}

#[test]
fn every_slot_goes_in_one_lane() {
    let two = lanes(&transfer(Duration::ZERO, ""));
    let parts = slots(&two);
    assert_eq!(parts[0][0], "0-31,64-95");
    assert_eq!(parts[1], ["32-63,96-99", "40-41"]);
    let all = two.iter().map(|lane| lane.slots.count()).sum::<u16>();
    assert_eq!(all, 100);
}

#[test]
fn a_pause_is_kept_and_owners_are_told_by_one_lane() {
    for alone in [
        transfer(Duration::from_millis(1), ""),
        transfer(Duration::ZERO, "7"),
        Transfer {
            engine: Engine::Atomic,
            ..transfer(Duration::ZERO, "")
        },
    ] {
        assert_eq!(lanes(&alone), std::slice::from_ref(&alone));
    }
}

#[test]
fn the_reason_comes_first_and_all_that_is_open_is_named() {
    let node: NodeId = "a".repeat(40).parse().unwrap();
    let trouble = |kind, words: &str| {
        Err(Trouble {
            kind,
            objections: [(node, words.to_owned())].into(),
            answers: Vec::new(),
        })
    };
    let stopped = trouble(TroubleKind::Interrupted, "has slots 5 open");
    let refused = trouble(TroubleKind::Refused, "has slots 70 open");
    let told = together(stopped, refused).unwrap_err();
    assert_eq!(told.kind, TroubleKind::Refused);
    assert_eq!(
        told.objections[&node],
        "has slots 70 open; has slots 5 open"
    );
    let lone = together(Ok(()), trouble(TroubleKind::Refused, "x"));
    assert_eq!(lone.unwrap_err().objections[&node], "x");
}
