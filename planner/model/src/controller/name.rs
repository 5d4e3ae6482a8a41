//! Names and ids (reference: cloud-controller, section 3).

use crate::arm::arm_type::ArmType;
use crate::facts::Facts;
pub(crate) use crate::facts::SHARED_PROBE;
use crate::kubernetes::service::Service;
use crate::resource_id::ResourceId;
use crate::unknown;

use super::value::{internal_subnet, is_dual_stack};

/// What tells an internal load balancer from a public one.
pub(crate) const INTERNAL_SUFFIX: &str = "-internal";
/// 80 less the room for `-IPv6`.
const LONGEST: usize = 75;

/// A family: `false` is IPv4, `true` IPv6, as the controller's own maps have it.
pub(crate) type IsIpv6 = bool;

/// The name all of a Service's things start with: `a` and the first 31 digits of its uid
/// (`DefaultLoadBalancerName`).
pub(crate) fn base(service: &Service) -> String {
    let base: Vec<u8> = std::iter::once(&b'a').chain(digits(&service.uid)).copied().collect();
    // Uids are ASCII, so that none is cut within a character.
    String::from_utf8_lossy(&base).into_owned()
}

/// Whether a name starts with a Service's [`base`].
pub(crate) fn has_base(name: &str, service: &Service) -> bool {
    begins(name, &service.uid, |one, other| one == other)
}

/// As [`has_base`], whatever the case.
pub(crate) fn has_base_in_any_case(name: &str, service: &Service) -> bool {
    begins(name, &service.uid, |one, other| one.eq_ignore_ascii_case(other))
}

/// Whether a name starts with what the base is made of, byte by byte: most names of others differ at the first.
fn begins(name: &str, uid: &str, is_same: impl Fn(&u8, &u8) -> bool) -> bool {
    let mut name = name.as_bytes().iter();
    let is_next = |byte: &u8| name.next().is_some_and(|it| is_same(it, byte));
    std::iter::once(&b'a').chain(digits(uid)).all(is_next)
}

/// What of a uid is in the base: 31 digits of one that is known, an unknown one as it is.
fn digits(uid: &str) -> impl Iterator<Item = &u8> {
    let is_known = !unknown::is_unknown(uid);
    let longest = if is_known { 31 } else { usize::MAX };
    uid.as_bytes().iter().filter(move |byte| !is_known || **byte != b'-').take(longest)
}

fn with_family(name: String, service: &Service, ipv6: IsIpv6) -> String {
    if ipv6 && is_dual_stack(service) { format!("{name}-IPv6") } else { name }
}

/// The frontend's name (`getDefaultFrontendIPConfigName`).
pub(crate) fn frontend(service: &Service, ipv6: IsIpv6) -> String {
    let base = base(service);
    let Some(subnet) = internal_subnet(service) else {
        return with_family(base, service, ipv6);
    };
    let full = [&base, "-", subnet].concat();
    let name = unknown::cut(&full, LONGEST);
    if name == full {
        return with_family(full, service, ipv6);
    }
    if name.ends_with(unknown::CLOSE) {
        // What it ends in is not known.
        return with_family(name, service, ipv6);
    }
    let mut name = name;
    // Azure wants a word character at the end; the controller takes digits for none.
    if !name.ends_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        name.pop();
        name.push('_');
    }
    with_family(name, service, ipv6)
}

/// The name of a rule and its probe (`getLoadBalancerRuleName`). `port` may be one not known yet.
pub(crate) fn rule(service: &Service, protocol: &str, port: &str, ipv6: IsIpv6) -> String {
    let base = base(service);
    let short = [&base, "-", protocol, "-", port].concat();
    let Some(subnet) = internal_subnet(service) else {
        return with_family(short, service, ipv6);
    };
    let full = [&base, "-", subnet, "-", protocol, "-", port].concat();
    let Some(length) = unknown::length(&short) else {
        // How much of the subnet's name there will be room for is not known.
        return unknown::mark("name", &with_family(full, service, ipv6));
    };
    let subnet = unknown::cut(subnet, LONGEST.saturating_sub(length + 1));
    with_family([&base, "-", &subnet, "-", protocol, "-", port].concat(), service, ipv6)
}

/// The name of a pool (`getBackendPoolNameForService`): the cluster's, or a local Service's own where
/// there are several load balancers.
pub(crate) fn pool(facts: &Facts, service: &Service, ipv6: IsIpv6) -> String {
    if facts.has_several_load_balancers() && super::value::is_local(service) {
        return local_pool(service, ipv6);
    }
    cluster_pool(facts, ipv6)
}

/// The pool of a local Service.
pub(crate) fn local_pool(service: &Service, ipv6: IsIpv6) -> String {
    let name = format!("{}-{}", service.key.namespace, service.key.name).to_lowercase();
    if ipv6 { format!("{name}-ipv6") } else { name }
}

/// The cluster's pool.
pub(crate) fn cluster_pool(facts: &Facts, ipv6: IsIpv6) -> String {
    if ipv6 { format!("{}-IPv6", facts.cluster_name) } else { facts.cluster_name.clone() }
}

/// Whether a pool, or a frontend of a dual-stack Service, is IPv6's, by its name or id.
pub(crate) fn is_ipv6(name: &str) -> bool {
    name.to_lowercase().ends_with("-ipv6")
}

/// Whether a load balancer is internal: its name says so.
pub(crate) fn is_internal_balancer(name: &str) -> bool {
    name.to_lowercase().ends_with(INTERNAL_SUFFIX)
}

/// A load balancer's name without what makes it internal.
pub(crate) fn without_internal(name: &str) -> &str {
    if is_internal_balancer(name) {
        name.get(..name.len() - INTERNAL_SUFFIX.len()).unwrap_or(name)
    } else {
        name
    }
}

/// The id of a load balancer.
pub(crate) fn load_balancer_id(facts: &Facts, name: &str) -> ResourceId {
    ResourceId::in_group(
        facts.network_subscription(),
        &facts.load_balancer_group(),
        ArmType::LoadBalancer.name(),
        name,
    )
}

/// The name of a Service's public IP (`getPublicIPName`).
pub(crate) fn public_ip(
    facts: &Facts,
    service: &Service,
    prefix: Option<&str>,
    ipv6: IsIpv6,
) -> String {
    let mut name = format!("{}-{}", facts.cluster_name, base(service));
    if let Some(prefix) = prefix.and_then(|id| id.rsplit('/').next()).filter(|it| !it.is_empty()) {
        name = format!("{name}-{prefix}");
    }
    with_family(unknown::cut(&name, LONGEST), service, ipv6)
}

/// The name of a NAT address: prefix and suffix, the prefix cut so that both have 80 characters.
pub(crate) fn nat_address(subnet: &str, pls: &str, suffix: &str) -> String {
    let prefix = unknown::cut(&format!("{subnet}-{pls}"), 80usize.saturating_sub(suffix.len()));
    format!("{prefix}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::service::Key;

    fn service(uid: &str, subnet: Option<&str>) -> Service {
        let mut service =
            Service { key: Key::new("default", "web"), uid: uid.to_owned(), ..Service::default() };
        if let Some(subnet) = subnet {
            service.annotations.insert(crate::annotation::INTERNAL.into(), "true".into());
            let key = crate::annotation::INTERNAL_SUBNET;
            service.annotations.insert(key.into(), subnet.into());
        }
        service
    }

    const UID: &str = "257b9655-5137-4ad2-b091-ef3f07043ad3";

    #[test]
    fn the_last_digit_of_the_uid_is_lost() {
        // cloud-controller, section 3.1.
        assert_eq!(base(&service(UID, None)), "a257b965551374ad2b091ef3f07043ad");
        let of_service = |name: &str| has_base_in_any_case(name, &service(UID, None));
        assert!(of_service("A257B965551374AD2B091EF3F07043AD-TCP-80"));
        assert!(!of_service("a257b965551374ad2b091ef3f07043a"), "too short");
        assert!(!of_service("a257b965551374ad2b091ef3f07043ae"), "another's");
    }

    #[test]
    fn a_long_subnet_is_cut_and_ends_in_a_word_character() {
        let long = format!("{}9", "s".repeat(41));
        let name = frontend(&service(UID, Some(&format!("{long}xx"))), false);
        assert_eq!(name.len(), 75);
        assert!(name.ends_with('_'), "{name}");
        let name = rule(&service(UID, Some(&"s".repeat(60))), "TCP", "80", false);
        assert_eq!(name.len(), 75);
        assert!(name.ends_with("s-TCP-80"));
    }

    #[test]
    fn names_of_a_service_to_come_hold_its_unknown_uid() {
        let uid = unknown::mark("uid", "default/web");
        let name = frontend(&service(&uid, Some(&"s".repeat(60))), false);
        assert_eq!(unknown::show(&name), format!("a(uid known after apply)-{}", "s".repeat(42)));
    }

    #[test]
    fn names_with_unknown_parts_are_cut_as_they_will_be() {
        let to_come = service(&unknown::mark("uid", "default/web"), Some("aks-subnet"));
        let port = unknown::mark("node port", "default/web health-check");
        let name = rule(&to_come, "TCP", &port, false);
        let shown = "a(uid known after apply)-aks-subnet-TCP-(node port known after apply)";
        assert_eq!(unknown::show(&name), shown);
        // Every cut is the one the controller makes once it knows: names of all lengths.
        let uid = unknown::mark("uid", "default/web");
        let digits: String = UID.chars().filter(|c| *c != '-').take(31).collect();
        let fill = |text: &str| {
            unknown::fill(text, |mark| match mark {
                _ if mark == uid => Some(digits.as_str()),
                _ if mark == port => Some("30185"),
                _ => None,
            })
        };
        for length in 1..=80 {
            let subnet = "s".repeat(length);
            let to_come = service(&unknown::mark("uid", "default/web"), Some(&subnet));
            let there = service(UID, Some(&subnet));
            let name = rule(&to_come, "TCP", &port, false);
            assert_eq!(fill(&name), rule(&there, "TCP", "30185", false), "{length}");
            let pls = |of: &Service| format!("pls-{}", frontend(of, false));
            let name = nat_address(&subnet, &pls(&to_come), "-dynamic-0");
            assert_eq!(fill(&name), nat_address(&subnet, &pls(&there), "-dynamic-0"));
        }
    }

    #[test]
    fn names_of_nat_addresses_have_80_characters() {
        // Recordings 145 and 146.
        let name = nat_address("aks-subnet", &"p".repeat(80), "-dynamic-0");
        assert_eq!(name.len(), 80);
        assert!(name.ends_with("p-dynamic-0"));
    }
}
