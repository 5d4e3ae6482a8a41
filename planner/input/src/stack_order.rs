//! Which of many stacks come first: an endpoint is applied behind the stack whose Service makes the Private Link Service
//! that it reaches.

use std::collections::BTreeSet;

use crate::annotation::keys::PLS_NAME;
use crate::desired::{Desired, Target};

/// The stacks by their number, in waves: those of a wave need none of it and none after it. Stacks that reach each other
/// crosswise come together, last.
pub fn waves(stacks: &[Desired]) -> Vec<Vec<usize>> {
    let links: Vec<Links> = stacks.iter().map(Links::of).collect();
    let mut left: Vec<(usize, &Links)> = links.iter().enumerate().collect();
    let mut waves = Vec::new();
    while !left.is_empty() {
        let made: BTreeSet<&String> = left.iter().flat_map(|(_, it)| &it.made).collect();
        let waits = |links: &Links| {
            links.reached.iter().any(|it| made.contains(it) && !links.made.contains(it))
        };
        let (later, now): (Vec<_>, Vec<_>) = left.into_iter().partition(|(_, links)| waits(links));
        let (now, later) = if now.is_empty() { (later, now) } else { (now, later) };
        waves.push(now.into_iter().map(|(number, _)| number).collect());
        left = later;
    }
    waves
}

/// The Private Link Services of a stack, by name in lower case: an alias begins with it too.
#[derive(Debug, Default)]
struct Links {
    /// Those that its Services make.
    made: BTreeSet<String>,
    /// Those that its endpoints reach.
    reached: BTreeSet<String>,
}

impl Links {
    fn of(desired: &Desired) -> Self {
        let services = desired.services.values();
        let made = services.filter_map(|it| Some(it.annotation(PLS_NAME)?.trim().to_lowercase()));
        let endpoints = desired.endpoints.values();
        let reached = endpoints.filter_map(|it| match &it.target {
            Target::Id(id) => Some(id.name().to_lowercase()),
            Target::Alias(alias) => Some(alias.value.split('.').next()?.to_lowercase()),
            Target::Service(_) => None,
        });
        Self { made: made.collect(), reached: reached.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::Options;
    use crate::diagnostic::Source;
    use crate::document;

    fn stack(text: &str) -> Desired {
        let source = Source::new("stack.yaml", text).unwrap();
        let options = Options { namespace: Some("default".to_owned()), stack_name: None };
        crate::desired::resolve(document::parse(&source), &options).0
    }

    fn provider(link: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: app\n  annotations: \
             {{service.beta.kubernetes.io/azure-pls-name: {link}}}\nspec: {{type: LoadBalancer, ports: [{{port: 80}}]}}\n"
        )
    }

    fn consumer(target: &str) -> String {
        format!(
            "apiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: {{name: pe}}\nspec:\n  resourceGroup: rg\n  \
             subnet: {{virtualNetwork: net, name: sub}}\n  target: {{{target}}}\n"
        )
    }

    const ID: &str = "id: /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/\
                      Microsoft.Network/privateLinkServices/One";
    const ALIAS: &str =
        "alias: two.00000000-0000-0000-0000-000000000000.eastus.azure.privatelinkservice";

    #[test]
    fn who_is_reached_comes_first() {
        let middle = format!("{}---\n{}", consumer(ID), provider("two"));
        let stacks = [consumer(ALIAS), middle, provider("one"), provider("other")];
        assert_eq!(waves(&stacks.map(|it| stack(&it))), [vec![2, 3], vec![1], vec![0]]);
    }

    #[test]
    fn those_that_reach_each_other_come_together() {
        let one = format!("{}---\n{}", consumer(ALIAS), provider("one"));
        let two = format!("{}---\n{}", consumer(ID), provider("two"));
        assert_eq!(
            waves(&[one, two, provider("three")].map(|it| stack(&it))),
            [vec![2], vec![0, 1]]
        );
        assert!(waves(&[]).is_empty());
    }
}
