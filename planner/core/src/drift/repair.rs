//! Commands that repair, fit to be pasted into a shell.

use crate::kubernetes::service::Key;

/// A word of a shell's command: quoted unless it is plain.
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:=@%+,-".contains(c);
    if !text.is_empty() && text.chars().all(plain) && !text.starts_with('-') {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Makes the controller sync a Service: it does so when an annotation changes (recording 243).
pub(super) fn nudge(service: &Key) -> String {
    let (namespace, name) = (word(&service.namespace), word(&service.name));
    format!(
        "kubectl annotate service -n {namespace} {name} --overwrite \
         --field-manager=privlink-sync privlink.dev/sync=$(date +%s)"
    )
}

/// What the controller says of a Service.
pub(super) fn describe(service: &Key) -> String {
    format!("kubectl describe service -n {} {}", word(&service.namespace), word(&service.name))
}

/// Deletes a resource by its id.
pub(super) fn delete(id: &str) -> String {
    format!("az resource delete --ids {}", word(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_plain_is_quoted() {
        assert_eq!(
            word("/subscriptions/s/resourceGroups/rg"),
            "/subscriptions/s/resourceGroups/rg"
        );
        assert_eq!(word("a b"), "'a b'");
        assert_eq!(word("$(rm -r x)'; y"), "'$(rm -r x)'\\''; y'");
        assert_eq!(word("--help"), "'--help'");
        assert_eq!(word(""), "''");
    }
}
