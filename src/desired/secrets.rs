//! Filling in the secrets that the file keeps elsewhere. Where they come from is the caller's I/O.

use std::collections::BTreeMap;

use super::{Desired, SecretSource, Setting};
use crate::base::Secret;

impl Desired {
    /// Fills in every secret, looking each source up once, and returns all the failures.
    ///
    /// # Errors
    ///
    /// What `lookup` returned, once for each source that failed.
    pub fn resolve_secrets<E>(
        &mut self,
        mut lookup: impl FnMut(&SecretSource) -> Result<Secret, E>,
    ) -> Result<(), Vec<E>> {
        let mut found: BTreeMap<SecretSource, Option<Secret>> = BTreeMap::new();
        let mut failures = Vec::new();
        let settings = self
            .nodes
            .values_mut()
            .flat_map(|node| node.config.values_mut());
        for setting in settings {
            let Setting::Secret { source, value } = setting else {
                continue;
            };
            if !found.contains_key(source) {
                let secret = lookup(source).map_err(|error| failures.push(error)).ok();
                found.insert(source.clone(), secret);
            }
            *value = found.get(source).cloned().flatten();
        }
        if failures.is_empty() {
            Ok(())
        } else {
            Err(failures)
        }
    }
}
