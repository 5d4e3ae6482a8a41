//! Every diagnostic's and finding's code. The list is here and nowhere else;
//! `docs/diagnostics.md` has a section for each.

use crate::diagnostic::Severity;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $severity:ident;)+) => {
        /// A stable code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The code as it is printed.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// The severity it has unless `--strict` raises it.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$name => Severity::$severity,)+
                }
            }
        }
    };
}

codes! {
    // Input.
    /// The text is not YAML.
    YamlSyntax = "yaml-syntax", Error;
    /// The file is not UTF-8.
    NotUtf8 = "not-utf8", Error;
    /// The file is larger than what is read.
    FileTooLarge = "file-too-large", Error;
    // Findings of plans.
    /// The controller will report an error, with part of its work done or none.
    ControllerFails = "controller-fails", Error;
    /// A Service that is internal now will be public.
    BecomesPublic = "becomes-public", Error;
    /// The Private Link Service stays although `azure-pls-create` went.
    LinkStays = "link-stays", Warning;
    /// The controller will change a subnet's network policy.
    SubnetChanged = "subnet-changed", Note;
    /// An endpoint's Service will have no Private Link Service.
    NoPrivateLinkService = "no-private-link-service", Error;
    /// An endpoint's virtual network is not there, or could not be read.
    NetworkMissing = "network-missing", Error;
    /// Somebody asks to connect whom no EndpointApproval names.
    StrangerPending = "stranger-pending", Note;
    /// A field belongs to another field manager.
    FieldConflict = "field-conflict", Error;

    // Refusals.
    /// Something could not be read.
    Unreadable = "unreadable", Error;
    /// An object exists that this stack did not make.
    NotAdopted = "not-adopted", Error;
    /// More consumers would be cut off than may be.
    TooManyDisconnects = "too-many-disconnects", Error;
    /// More objects would be deleted than may be.
    TooManyDeletes = "too-many-deletes", Error;
    /// A protected node would go.
    Protected = "protected", Error;
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == text)
            .ok_or_else(|| serde::de::Error::custom(format!("unknown code `{text}`")))
    }
}
