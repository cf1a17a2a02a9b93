//! Which role may speak for a target: the search of section 5.6.7 of the TUF specification, as a pure function
//! over metadata that is verified already.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sigstore_tuf::{TargetFile, TrustedMetadataSet};

use crate::error::{Error, Result};

/// Where the search stands.
pub(crate) enum Step {
    /// The first role in order that lists the target.
    Found { role: String, file: TargetFile },
    /// The search cannot go on before this delegated role is loaded.
    Load { role: String, delegator: String },
    /// No role that may speak for the name lists it.
    Absent,
}

/// Walks the delegations for `name`, depth first in the order of the delegator, at most `limit` roles.
pub(crate) fn step(set: &TrustedMetadataSet, name: &str, now: Timestamp, limit: usize) -> Result<Step> {
    let mut waiting = vec![("targets".to_owned(), "root".to_owned())];
    let mut visited = BTreeSet::new();
    while let Some((role, delegator)) = waiting.pop() {
        if visited.contains(&role) {
            continue;
        }
        // 5.6.7.1: a limit on the number of roles, so that a loop or a crowd of delegates ends.
        if visited.len() >= limit {
            tracing::warn!(target.name = name, limit, "search ended: too many delegated roles");
            break;
        }
        if role != "targets" {
            if !is_pinned(set, &role) {
                continue;
            }
            if set.targets_role(&role).is_none() {
                return Ok(Step::Load { role, delegator });
            }
            // One role can be reached through parents with different keys: it must satisfy this one too.
            set.verify_delegated_targets(&role, &delegator, now)
                .map_err(|e| Error::verdict(&role, now, e))?;
        }
        let Some(targets) = set.targets_role(&role) else { continue };
        if let Some(file) = targets.target(name) {
            return Ok(Step::Found { role, file: file.clone() });
        }
        visited.insert(role.clone());
        let mut children = Vec::new();
        for child in targets.delegations.iter().flat_map(|d| &d.roles) {
            if is_top_level(&child.name)
                || !child.matches_path(name).map_err(|e| Error::verdict(&role, now, e))?
            {
                continue;
            }
            children.push((child.name.clone(), role.clone()));
            if child.terminating {
                // 5.6.7.2.1: nobody after a terminating delegation is asked.
                waiting.clear();
                break;
            }
        }
        waiting.extend(children.into_iter().rev());
    }
    Ok(Step::Absent)
}

/// A delegated role, reachable from what is loaded, that is not loaded itself nor named in `skip`.
pub(crate) fn next_unloaded(set: &TrustedMetadataSet, skip: &BTreeSet<String>) -> Option<(String, String)> {
    let mut waiting = vec!["targets".to_owned()];
    let mut visited = BTreeSet::new();
    while let Some(role) = waiting.pop() {
        if !visited.insert(role.clone()) {
            continue;
        }
        let Some(targets) = set.targets_role(&role) else { continue };
        for child in targets.delegations.iter().flat_map(|d| &d.roles) {
            if is_top_level(&child.name) || skip.contains(&child.name) || !is_pinned(set, &child.name) {
                continue;
            }
            if set.targets_role(&child.name).is_none() {
                return Some((child.name.clone(), role));
            }
            waiting.push(child.name.clone());
        }
    }
    None
}

fn is_pinned(set: &TrustedMetadataSet, role: &str) -> bool {
    set.snapshot().is_some_and(|s| s.meta.contains_key(&format!("{role}.json")))
}

fn is_top_level(role: &str) -> bool {
    matches!(role, "root" | "timestamp" | "snapshot" | "targets")
}
