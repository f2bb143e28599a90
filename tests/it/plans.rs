//! The worked examples in `plans/`: each one parses, and `rcl check` says of it what its header says.

use std::fs;
use std::path::Path;

use rcl::cli::check::{CheckArgs, run};
use rcl::desired::parse;

/// What `rcl check` says about an example, and the code it exits with.
fn checked(name: &str) -> String {
    let args = CheckArgs {
        file: Path::new("plans").join(name),
        json: false,
    };
    let mut said = Vec::new();
    let code = run(&args, &mut said, false);
    format!("{}exit {code}", String::from_utf8(said).unwrap())
}

#[test]
fn seed() {
    insta::assert_snapshot!(checked("seed.yaml"), @r"
    warning[quorum]: losing the host host1 takes 3 of 3 primaries; the other 0 are no majority, so no replica can take over
      --> plans/seed.yaml:12:3
       |
    12 |   host1: 127.0.81.100
       |   ^^^^^
       |
       = help: spread the primaries over three hosts or more, so that none has half of them

    plans/seed.yaml: 6 nodes in 3 shards, 16384 slots assigned. 1 warning.
    exit 0
    ");
}

#[test]
fn seed_grown() {
    insta::assert_snapshot!(checked("seed-grown.yaml"), @r"
    warning[quorum]: losing the host host1 takes 3 of 3 primaries; the other 0 are no majority, so no replica can take over
     --> plans/seed-grown.yaml:8:3
      |
    8 |   host1: 127.0.81.100
      |   ^^^^^
      |
      = help: spread the primaries over three hosts or more, so that none has half of them

    warning[no-slots]: the primary host1:7003 of the shard d serves no slots, so it holds no keys and has no vote
      --> plans/seed-grown.yaml:18:3
       |
    18 |   d: {primary: host1:7003, replicas: [host2:7003], slots: none}
       |   ^
       |
       = help: leave `slots: none` out to give it a share

    plans/seed-grown.yaml: 8 nodes in 4 shards, 16384 slots assigned. 2 warnings.
    exit 0
    ");
}

#[test]
fn zones() {
    insta::assert_snapshot!(checked("zones.yaml"), @r"
    plans/zones.yaml: 6 nodes in 3 shards, 16384 slots assigned.
    exit 0
    ");
}

#[test]
fn every_example_has_a_header_and_a_test_here() {
    let this = include_str!("plans.rs");
    let mut examples = 0;
    for entry in fs::read_dir("plans").unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# "), "{name} doesn't say what it shows");
        assert!(parse(&text).is_ok(), "{name}");
        assert!(
            this.contains(&format!("checked(\"{name}\")")),
            "{name} has no test"
        );
        examples += 1;
    }
    assert!(examples >= 3);
}

#[test]
fn the_grown_seed_is_the_seed_and_one_shard_more() {
    let read =
        |name: &str| parse(&fs::read_to_string(Path::new("plans").join(name)).unwrap()).unwrap();
    let (seed, grown) = (read("seed.yaml"), read("seed-grown.yaml"));
    assert_eq!(seed.shards, grown.shards[..3]);
    assert_eq!(grown.shards.len(), 4);
    assert!(
        seed.nodes
            .iter()
            .all(|(name, node)| grown.nodes[name] == *node)
    );
}
