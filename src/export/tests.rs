//! Names of shards.

use crate::desired::numbered;

#[test]
fn shards_are_counted_in_letters() {
    for (number, name) in [
        (0, "a"),
        (25, "z"),
        (26, "aa"),
        (27, "ab"),
        (701, "zz"),
        (702, "aaa"),
    ] {
        assert_eq!(numbered(number), name);
    }
}
