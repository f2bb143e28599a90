//! Filling in the secrets that the file keeps elsewhere. Where they come from is the caller's I/O.

use std::collections::BTreeMap;

use super::{Desired, Host, SecretSource, Setting};
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
        for (source, value) in self.secrets_mut() {
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

    /// The places of all secrets: those of `access`, then those of options.
    fn secrets_mut(&mut self) -> impl Iterator<Item = (&SecretSource, &mut Option<Secret>)> {
        let Self {
            access,
            hosts,
            nodes,
            cluster: _,
            shards: _,
            policy: _,
        } = self;
        let of_hosts = hosts.values_mut().map(|Host { access, .. }| access);
        let passwords = std::iter::once(access)
            .chain(of_hosts)
            .filter_map(|access| access.password.as_mut())
            .map(|password| (&password.source, &mut password.value));
        let settings = nodes.values_mut().flat_map(|node| node.config.values_mut());
        let options = settings.filter_map(|setting| match setting {
            Setting::Secret { source, value } => Some((&*source, value)),
            Setting::Plain(_) => None,
        });
        passwords.chain(options)
    }
}
