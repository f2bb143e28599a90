//! Names of shards.

use super::shards::letters;

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
        assert_eq!(letters(number), name);
    }
}
