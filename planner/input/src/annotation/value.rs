//! What annotation values may be, and how the controller reads them.
use crate::rule::{self, At, Code, Example, basis, rules};
use crate::schema::Text;
use crate::schema::text::{Refusal, cidr, is_guid};

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true`, byte for byte, or something that means no (recordings 072 to 076).
    ExactlyTrue,
    /// `true` in any case; every other word means false, without a word (046, 048, 062, 063).
    Boolean {
        /// Whether blanks around it do not matter.
        trimmed: bool,
    },
    /// A whole number, blanks around it do not matter (020 to 029, 114 to 116, 124 to 126).
    Integer {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// A word of these, in any case and with blanks around it; any other means the first, silently
    /// (117).
    Words(&'static [&'static str]),
    /// Text that goes to Azure as it is, blanks included; empty text counts as not there (082, 087).
    Raw(Text),
    /// Text without the blanks around it; blank text counts as not there (018, 168).
    Trimmed(Text),
    /// The Private Link Service's name: without blanks around it, but blank text is refused (012).
    PrivateLinkName,
    /// Entries separated by blanks, and by nothing else (038, 041, 054, 067 to 069).
    BlankList(Item),
    /// Entries separated by commas.
    CommaList(Item),
    /// The name or number of a port.
    Port,
    /// Anything.
    Free,
}

/// What an entry of a list may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// An IPv4 address.
    Ipv4,
    /// An IP address, without blanks around it (`AdditionalPublicIPs`).
    Address,
    /// A range in CIDR form without host bits.
    Cidr,
    /// A subscription, or `*`.
    SubscriptionOrAnyone,
    /// A domain name.
    Fqdn,
    /// A resource's name.
    Name,
    /// Anything but nothing.
    Word,
}

/// Whether the controller takes a value for true where it ignores case and blanks.
pub fn is_true(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("true")
}

/// The entries of a list separated by blanks, as the controller splits it: at each blank, empty
/// entries dropped, other white space around an entry trimmed.
pub fn list(text: &str) -> impl Iterator<Item = &str> {
    text.trim().split(' ').map(str::trim).filter(|entry| !entry.is_empty())
}

fn refusal(code: Code, message: impl Into<String>, help: impl Into<String>) -> Refusal {
    Refusal { code, message: message.into(), help: help.into() }
}

impl Kind {
    /// Everything wrong with a value.
    pub fn check(self, text: &str) -> Vec<Refusal> {
        match self {
            Self::ExactlyTrue => internal(text).into_iter().collect(),
            Self::Boolean { trimmed } => boolean(text, trimmed).into_iter().collect(),
            Self::Integer { min, max } => integer(text, min, max).into_iter().collect(),
            Self::Words(words) => word(text, words).into_iter().collect(),
            Self::Raw(rule) => raw(text, rule).into_iter().collect(),
            Self::Trimmed(_) if text.trim().is_empty() => Vec::new(),
            Self::Trimmed(rule) => rule.check(text.trim()).err().into_iter().collect(),
            Self::PrivateLinkName => {
                Text::ResourceName(1, 80).check(text.trim()).err().into_iter().collect()
            }
            Self::BlankList(item) => blank_list(text, item),
            Self::CommaList(item) => comma_list(text, item),
            Self::Port | Self::Free => Vec::new(),
        }
    }
}

fn internal(text: &str) -> Option<Refusal> {
    if text == "true" || text.is_empty() || text.eq_ignore_ascii_case("false") {
        return None;
    }
    let message = if text.eq_ignore_ascii_case("true") {
        format!("`{text}` makes the load balancer public, and without a security rule")
    } else {
        format!("`{text}` makes the load balancer public, open to the Internet")
    };
    let help = "write \"true\", in lower case and without blanks, for an internal load balancer";
    Some(refusal(INTERNAL_NOT_TRUE, message, help))
}

fn boolean(text: &str, trimmed: bool) -> Option<Refusal> {
    let bare = text.trim();
    let is_word = bare.eq_ignore_ascii_case("true") || bare.eq_ignore_ascii_case("false");
    let is_padded = bare != text && bare.eq_ignore_ascii_case("true");
    if bare.is_empty() || (is_word && (trimmed || !is_padded)) {
        return None;
    }
    let message = format!("`{text}` means false to the controller");
    Some(refusal(MISREAD_BOOLEAN, message, "write \"true\" or \"false\""))
}

fn integer(text: &str, min: i64, max: i64) -> Option<Refusal> {
    let is_within = text.trim().parse().is_ok_and(|number: i64| (min..=max).contains(&number));
    if is_within {
        return None;
    }
    let wanted = if max >= i64::from(i32::MAX) {
        format!("a whole number of at least {min}")
    } else {
        format!("a whole number from {min} to {max}")
    };
    let shown = if text.trim().is_empty() { "empty text".to_owned() } else { format!("`{text}`") };
    let message = format!("{shown} is not {wanted}");
    Some(refusal(ANNOTATION_OUT_OF_RANGE, message, format!("write {wanted}")))
}

fn word(text: &str, words: &'static [&'static str]) -> Option<Refusal> {
    if words.iter().any(|word| word.eq_ignore_ascii_case(text.trim())) {
        return None;
    }
    let default = words.first().copied().unwrap_or_default();
    let message = format!("the controller does not know `{text}`, and uses {default}");
    Some(refusal(rule::UNKNOWN_VALUE, message, format!("write {}", words.join(", "))))
}

fn raw(text: &str, rule: Text) -> Option<Refusal> {
    if text.is_empty() {
        return None;
    }
    let refused = rule.check(text).err()?;
    let trimmed = text.trim();
    if trimmed != text && rule.check(trimmed).is_ok() {
        return Some(refusal(
            refused.code,
            "the value has blanks around it, which the controller keeps and Azure refuses",
            format!("write \"{trimmed}\""),
        ));
    }
    Some(refused)
}

fn blank_list(text: &str, item: Item) -> Vec<Refusal> {
    let separators = [(',', "commas"), (';', "semicolons"), ('\n', "line ends"), ('\t', "tabs")];
    let found = separators.iter().find(|(separator, _)| text.trim().contains(*separator));
    if let Some((_, what)) = found {
        let entries = text.split([',', ';', '\n', '\t', '\r', ' ']);
        let entries: Vec<&str> = entries.filter(|entry| !entry.is_empty()).collect();
        let message = format!("entries are separated by blanks, not by {what}");
        let help = format!("write \"{}\"", entries.join(" "));
        return vec![refusal(LIST_SEPARATOR, message, help)];
    }
    list(text).filter_map(|entry| item.check(entry)).collect()
}

fn comma_list(text: &str, item: Item) -> Vec<Refusal> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    let bare = text.trim();
    let has_other = bare.contains([';', '\n', '\t'])
        || (bare.contains(' ') && !bare.contains(',') && item != Item::Word);
    if has_other {
        let entries = text.split([',', ';', '\n', '\t', '\r', ' ']);
        let entries: Vec<&str> = entries.filter(|entry| !entry.is_empty()).collect();
        let help = format!("write \"{}\"", entries.join(","));
        return vec![refusal(LIST_SEPARATOR, "entries are separated by commas", help)];
    }
    text.split(',').filter_map(|entry| item.check(entry)).collect()
}

impl Item {
    fn check(self, entry: &str) -> Option<Refusal> {
        let bare = entry.trim();
        match self {
            Self::Ipv4 => Text::Ipv4.check(bare).err(),
            Self::Address if bare != entry => Some(refusal(
                rule::BAD_ADDRESS,
                format!("the controller does not trim the blanks around `{bare}`, and refuses it"),
                "separate addresses by commas without blanks",
            )),
            Self::Address => Text::Address.check(bare).err(),
            Self::Cidr => bad_cidr(bare),
            Self::SubscriptionOrAnyone if bare == "*" || is_guid(bare) => None,
            Self::SubscriptionOrAnyone => Text::Guid.check(bare).err(),
            Self::Fqdn => Text::Fqdn.check(bare).err(),
            Self::Name => Text::ResourceName(1, 80).check(bare).err(),
            Self::Word => {
                let message = "an entry is empty";
                bare.is_empty().then(|| refusal(rule::BAD_NAME, message, "remove a comma"))
            }
        }
    }
}

/// A malformed range shuts everybody out: a rule that denies all is added, without an event (137).
pub fn bad_cidr(text: &str) -> Option<Refusal> {
    let masked = cidr(text).err()?;
    Some(match masked {
        Some(masked) => refusal(
            rule::BAD_CIDR,
            format!("`{text}` has host bits set, so the controller denies all traffic instead"),
            format!("write {masked}"),
        ),
        None => refusal(
            rule::BAD_CIDR,
            format!(
                "`{text}` is not an address range, so the controller denies all traffic instead"
            ),
            "write a range such as 10.0.0.0/16",
        ),
    })
}

rules! {
    /// `azure-load-balancer-internal` is neither `true` nor a plain no. The controller compares byte for
    /// byte: `"True"`, `"yes"` and `" true"` make the load balancer **public**. For `"True"` and `"TRUE"`
    /// other parts of the controller ignore case and believe it internal, so that the public address has no
    /// security rule.
    INTERNAL_NOT_TRUE = "internal-not-true", Error, [Desired], {
        basis: basis::recorded("only exactly \"true\" is internal (finding 17)", basis::link::INTERNAL),
        advice: "Write `\"true\"`.",
        example: Example::new(
            At::Service,
            r#"service.beta.kubernetes.io/azure-load-balancer-internal: "True""#,
            r#"service.beta.kubernetes.io/azure-load-balancer-internal: "true""#,
        ),
    }

    /// A word that the controller takes for false, silently. Only `true` counts, in any case; blanks around
    /// it are allowed for some annotations only.
    MISREAD_BOOLEAN = "misread-boolean", Error, [Desired], {
        basis: basis::VALUES,
        advice: "Write `\"true\"` or `\"false\"`.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-proxy-protocol: "yes"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-proxy-protocol: "true"
            "#,
        ),
    }

    /// A list with separators that the controller does not split at. Lists of `azure-pls-*` are separated
    /// by blanks: commas, line ends and tabs stay inside an entry and go to Azure. Lists of addresses,
    /// ranges and service tags are separated by commas.
    LIST_SEPARATOR = "list-separator", Error, [Desired], {
        basis: basis::VALUES,
        advice: "Write the list as the help text shows it.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-visibility: "00000000-0000-0000-0000-000000000000,00000000-0000-0000-0000-000000000001"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-visibility: "00000000-0000-0000-0000-000000000000 00000000-0000-0000-0000-000000000001"
            "#,
        ),
    }

    /// The number in an annotation is no whole number, or out of its bounds: NAT addresses 1 to 8; idle
    /// timeout 4 to 100 minutes; probe interval 5 seconds or more, 2 probes or more, and less than 120
    /// seconds in all for each port that is probed. With high-availability ports the controller passes over
    /// a port whose probe is wrong, and this is a warning: the one rule may have no probe then. A bad NAT count leaves a load balancer that works, no Private Link Service, and an
    /// empty Service status.
    ANNOTATION_OUT_OF_RANGE = "annotation-out-of-range", Error, [Desired], {
        basis: basis::VALUES,
        advice: "Stay within the bounds that are named.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address-count: "9"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address-count: "2"
            "#,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Kind, good: &[&str], bad: &[(&str, Code)]) {
        for text in good {
            assert_eq!(kind.check(text), [], "{text:?}");
        }
        for (text, code) in bad {
            let codes: Vec<Code> = kind.check(text).iter().map(|refusal| refusal.code).collect();
            assert_eq!(codes, [*code], "{text:?}");
        }
    }

    /// Recordings 072 to 076.
    #[test]
    fn internal_is_exactly_true() {
        let code = INTERNAL_NOT_TRUE;
        let bad = ["True", "TRUE", "1", "yes", " true", "true "].map(|text| (text, code));
        check(Kind::ExactlyTrue, &["true", "false", "False", ""], &bad);
    }

    /// Recordings 044 to 048 and 061 to 064.
    #[test]
    fn other_words_than_true_mean_false() {
        let code = MISREAD_BOOLEAN;
        let trimmed = Kind::Boolean { trimmed: true };
        check(trimmed, &["true", "True", " true", "false", ""], &[("yes", code), ("1", code)]);
        let exact = Kind::Boolean { trimmed: false };
        check(exact, &["TRUE", "false "], &[(" true", code), ("on", code)]);
    }

    /// Recordings 020 to 029.
    #[test]
    fn the_count_of_addresses_is_1_to_8() {
        let code = ANNOTATION_OUT_OF_RANGE;
        let bad = ["0", "9", "-1", "", "abc", "1.5", "1 2"].map(|text| (text, code));
        check(Kind::Integer { min: 1, max: 8 }, &["1", " 8 "], &bad);
    }

    /// Recordings 038, 041, 054 and 067 to 069.
    #[test]
    fn lists_are_separated_by_single_blanks() {
        let guid = "11111111-2222-3333-4444-555555555555";
        let code = LIST_SEPARATOR;
        let (commas, lines) = (format!("{guid},{guid}"), format!("{guid}\n{guid}"));
        check(
            Kind::BlankList(Item::SubscriptionOrAnyone),
            &["*", guid, &format!(" {guid}  {guid} "), ""],
            &[(&commas, code), (&lines, code), ("a\tb", code), ("me", rule::BAD_GUID)],
        );
        check(Kind::BlankList(Item::Ipv4), &["10.0.0.1 10.0.0.2"], &[("10.0.0.1,10.0.0.2", code)]);
        check(Kind::BlankList(Item::Ipv4), &[], &[("::1", rule::BAD_ADDRESS)]);
    }

    /// Recordings 133, 136 and 137.
    #[test]
    fn ranges_are_separated_by_commas() {
        check(
            Kind::CommaList(Item::Cidr),
            &["10.0.0.0/8", "10.0.0.0/8, fd00::/64", ""],
            &[
                ("10.0.0.0/8 10.1.0.0/16", LIST_SEPARATOR),
                ("10.0.0.1/8", rule::BAD_CIDR),
                ("10.0.0.0/8,all", rule::BAD_CIDR),
            ],
        );
        check(
            Kind::CommaList(Item::Address),
            &["20.1.2.3,20.1.2.4"],
            &[("20.1.2.3, 20.1.2.4", rule::BAD_ADDRESS)],
        );
    }

    /// Recordings 078 to 083 and 087 to 089.
    #[test]
    fn addresses_and_subnets_go_to_azure_as_they_are() {
        let code = rule::BAD_ADDRESS;
        let bad = [" 10.0.0.1", "10.0.0", "::1", "10.0.0.1 10.0.0.2"].map(|text| (text, code));
        check(Kind::Raw(Text::Ipv4), &["10.0.0.1", ""], &bad);
        check(Kind::Raw(Text::ResourceName(1, 80)), &["apps-subnet"], &[(" apps", rule::BAD_NAME)]);
    }

    /// Recordings 012, 066, 145 and 168.
    #[test]
    fn the_name_of_a_private_link_service_is_not_blank() {
        let code = rule::BAD_NAME;
        check(
            Kind::PrivateLinkName,
            &["myPLS", " myPLS "],
            &[("", code), (" ", code), ("a/b", code)],
        );
        check(Kind::Trimmed(Text::ResourceGroup), &["", " ", " rg "], &[("a/b", code)]);
    }

    /// Recording 117.
    #[test]
    fn an_unknown_probe_protocol_is_taken_for_tcp() {
        let words = Kind::Words(&["Tcp", "Http", "Https"]);
        check(words, &["tcp", " HTTP "], &[("grpc", rule::UNKNOWN_VALUE)]);
    }
}
