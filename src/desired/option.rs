//! Placeholder until the table of options arrives.
pub fn same_value(_option: &str, have: &str, want: &str) -> bool {
    have == want
}
pub fn wire_value(_option: &str, want: &str) -> String {
    want.to_owned()
}
pub fn settable_at_runtime(_option: &str) -> bool {
    true
}
