//! Every diagnostic's and finding's code. The list is here and nowhere else;
//! `docs/diagnostics.md` has a section for each.

/// How bad it is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something to know; nothing is wrong.
    Note,
    /// Works, but is deprecated or unwise.
    Warning,
    /// Would be refused or misread.
    Error,
}

macro_rules! codes {
    (
        input { $($(#[doc = $in_doc:literal])+ $in_name:ident = $in_text:literal, $in_severity:ident;)+ }
        findings { $($(#[doc = $doc:literal])+ $name:ident = $text:literal, $severity:ident;)+ }
    ) => {
        /// A stable code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[doc = $in_doc])+ $in_name,)+
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$in_name,)+ $(Self::$name,)+];

            /// The codes of what is wrong with the input alone.
            pub const INPUT: &'static [Self] = &[$(Self::$in_name,)+];

            /// The code as it is printed.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$in_name => $in_text,)+
                    $(Self::$name => $text,)+
                }
            }

            /// The severity it has unless `--strict` raises it.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$in_name => Severity::$in_severity,)+
                    $(Self::$name => Severity::$severity,)+
                }
            }
        }
    };
}

codes! {
    input {
        /// The text is not YAML.
        YamlSyntax = "yaml-syntax", Error;
        /// YAML that manifests have no use for: tags, keys that are not text, private characters.
        YamlUnsupported = "yaml-unsupported", Error;
        /// A key is there twice in one mapping.
        DuplicateKey = "duplicate-key", Error;
        /// The file is not UTF-8.
        NotUtf8 = "not-utf8", Error;
        /// The file is larger than what is read.
        FileTooLarge = "file-too-large", Error;
        /// The file has more documents than are read.
        TooManyDocuments = "too-many-documents", Error;
        /// Aliases stand for more values than are read.
        TooManyAliases = "too-many-aliases", Error;
        /// Lists and mappings are nested deeper than is read.
        NestedTooDeep = "nested-too-deep", Error;
        /// A document is no Kubernetes manifest.
        NotAManifest = "not-a-manifest", Error;
        /// A kind or version that does not exist.
        UnknownKind = "unknown-kind", Error;
        /// Documents of kinds that are not looked at.
        SkippedKind = "skipped-kind", Note;
        /// A field that the kind does not have.
        UnknownField = "unknown-field", Error;
        /// A field that a Service does not have.
        UnknownServiceField = "unknown-service-field", Warning;
        /// A field that must be there is not.
        MissingField = "missing-field", Error;
        /// Of fields that exclude each other, none or several are there.
        NotExactlyOne = "not-exactly-one", Error;
        /// A value of another type than the field has.
        WrongType = "wrong-type", Error;
        /// An annotation whose value is not text.
        AnnotationNotText = "annotation-not-text", Error;
        /// Text that other readers of YAML take for something else.
        AmbiguousText = "ambiguous-text", Warning;
        /// A word that is not one of those known.
        UnknownValue = "unknown-value", Error;
        /// The API server would refuse a Service.
        ServiceInvalid = "service-invalid", Error;
        /// A number out of its bounds, or a list with too many entries.
        OutOfRange = "out-of-range", Error;
        /// Text longer than Azure takes.
        TextTooLong = "text-too-long", Error;
        /// A name that Azure or Kubernetes refuses.
        BadName = "bad-name", Error;
        /// Not an IP address, or not one of the family wanted.
        BadAddress = "bad-address", Error;
        /// Not an address range that the controller accepts.
        BadCidr = "bad-cidr", Error;
        /// Not a GUID.
        BadGuid = "bad-guid", Error;
        /// Not the id of a resource of the type wanted.
        BadResourceId = "bad-resource-id", Error;
        /// Not the alias of a Private Link Service.
        BadAlias = "bad-alias", Error;
        /// Not a version of Kubernetes.
        BadVersion = "bad-version", Error;
        /// Not the name of a node of the graph.
        BadNode = "bad-node", Error;
        /// A text is no day.
        BadDate = "bad-date", Error;
        /// The input has several Stack documents.
        SeveralStacks = "several-stacks", Error;
        /// Two documents of one kind have one name.
        DuplicateDocument = "duplicate-document", Error;
        /// Two Services name their Private Link Services alike.
        DuplicatePrivateLinkName = "duplicate-private-link-name", Error;
        /// Two private endpoints are one to Azure.
        DuplicateEndpoint = "duplicate-endpoint", Error;
        /// Two private endpoints want one address.
        DuplicateAddress = "duplicate-address", Error;
        /// Two private endpoints want one DNS record.
        DuplicateRecord = "duplicate-record", Error;
        /// A Service is named that the input does not have.
        MissingService = "missing-service", Error;
        /// A Service is reached that asks for no Private Link Service.
        TargetWithoutPrivateLink = "target-without-private-link", Error;
        /// An alias with automatic approval.
        AliasNeedsManual = "alias-needs-manual", Error;
        /// A request message that nobody reads.
        UnreadMessage = "unread-message", Warning;
        /// A consumer is both approved and rejected.
        ConflictingApproval = "conflicting-approval", Error;
        /// No namespace is given and none is known.
        AssumedNamespace = "assumed-namespace", Note;
        /// A version of Kubernetes without Private Link Services.
        KubernetesTooOld = "kubernetes-too-old", Error;
        /// A load balancer SKU without Private Link Services.
        BasicLoadBalancer = "basic-load-balancer", Error;
        /// A backend pool type without Private Link Services.
        IpBasedPool = "ip-based-pool", Error;
        /// An annotation that the controller does not know.
        UnknownAnnotation = "unknown-annotation", Warning;
        /// An annotation that has no effect here.
        AnnotationIgnored = "annotation-ignored", Warning;
        /// `azure-load-balancer-internal` is not exactly `true`.
        InternalNotTrue = "internal-not-true", Error;
        /// A word that the controller takes for false.
        MisreadBoolean = "misread-boolean", Error;
        /// A list with separators that the controller does not split at.
        ListSeparator = "list-separator", Error;
        /// An annotation's number is none, or out of its bounds.
        AnnotationOutOfRange = "annotation-out-of-range", Error;
        /// More static NAT addresses than the count allows.
        TooManyStaticAddresses = "too-many-static-addresses", Error;
        /// A port that the Service does not have.
        UnknownPort = "unknown-port", Error;
        /// A Private Link Service on a public load balancer.
        PublicPrivateLink = "public-private-link", Error;
        /// A Private Link Service on an IPv6 Service.
        Ipv6PrivateLink = "ipv6-private-link", Error;
        /// SCTP on a public load balancer.
        PublicSctp = "public-sctp", Error;
        /// Two kinds of source ranges at once.
        SourceRangesConflict = "source-ranges-conflict", Error;
        /// Two Services serve one port of one address.
        PortConflict = "port-conflict", Error;
        /// Private Link settings without `azure-pls-create`.
        PrivateLinkOff = "private-link-off", Warning;
        /// Who is approved without asking does not see the Private Link Service.
        AutoApprovalOutsideVisibility = "auto-approval-outside-visibility", Warning;
        /// `*` in a list where it means nothing.
        AutoApprovalWildcard = "auto-approval-wildcard", Warning;
        /// `spec.loadBalancerIP`.
        DeprecatedLoadBalancerIp = "deprecated-load-balancer-ip", Warning;
    }
    // What the prediction and the plan say.
    findings {
        /// The controller will report an error and write nothing.
        ControllerFails = "controller-fails", Error;
        /// The controller will report an error with part of its work done.
        PartlyMade = "partly-made", Error;
        /// A Service that is internal now will be public.
        BecomesPublic = "becomes-public", Error;
        /// A Private Link Service will be deleted and made anew.
        LinkRecreated = "link-recreated", Warning;
        /// The Private Link Service stays although `azure-pls-create` went.
        LinkStays = "link-stays", Warning;
        /// A Private Link Service of another Service is taken over.
        LinkTakenOver = "link-taken-over", Warning;
        /// A Private Link Service of somebody else is in the way.
        LinkBlocked = "link-blocked", Error;
        /// The cluster of a Stack is not in its resource group.
        ClusterMissing = "cluster-missing", Error;
        /// The resource group of a Private Link Service is not there.
        ResourceGroupMissing = "resource-group-missing", Error;
        /// A Private Link Service cannot be renamed, nor moved to another resource group.
        LinkCannotMove = "link-cannot-move", Error;
        /// All NAT addresses of a Private Link Service are written anew.
        NatAddressesRewritten = "nat-addresses-rewritten", Warning;
        /// Proxy protocol meets a probe that cannot read it.
        ProxyProtocolProbe = "proxy-protocol-probe", Warning;
        /// A probe asks for `/`, since `appProtocol` says HTTP and nobody says which path.
        ProbeWithoutPath = "probe-without-path", Warning;
        /// What comes from a Private Link Service's NAT addresses is dropped.
        NatAddressesShutOut = "nat-addresses-shut-out", Warning;
        /// Source ranges that keep nobody out of the virtual network.
        RangesKeepNobodyOut = "ranges-keep-nobody-out", Warning;
        /// A zone group that will hold no record.
        ZoneGroupEmpty = "zone-group-empty", Warning;
        /// More of something than Azure has.
        LimitExceeded = "limit-exceeded", Error;
        /// A Service's namespace is not there, or goes.
        NamespaceMissing = "namespace-missing", Error;
        /// The API server was not asked by a dry run.
        NotRehearsed = "not-rehearsed", Note;
        /// NAT addresses lie in the pods' subnet, with externalTrafficPolicy Local.
        NatSubnetOfPods = "nat-subnet-of-pods", Warning;
        /// The controller will change a subnet's network policy.
        SubnetChanged = "subnet-changed", Note;
        /// An endpoint's Service will have no Private Link Service.
        NoPrivateLinkService = "no-private-link-service", Error;
        /// An endpoint's document was renamed; the endpoint keeps its name in Azure.
        EndpointRenamed = "endpoint-renamed", Note;
        /// Fields of a live Service were set by hand, and an apply leaves them.
        SetByHand = "set-by-hand", Note;
        /// Azure shows a state of a connection that is none of those known.
        ConnectionUnknown = "connection-unknown", Warning;
        /// A consumer is connected whom nobody named.
        StrangerApproved = "stranger-approved", Note;
        /// A live Service has lost the finalizer by which the controller cleans up after it.
        CleanupLost = "cleanup-lost", Warning;
        /// A live Service has external addresses that its manifest does not have.
        ExternalAddresses = "external-addresses", Warning;
        /// A rule of the nodes' security group lets nothing in.
        TrafficDenied = "traffic-denied", Warning;
        /// No node of the cluster is ready.
        NoReadyNode = "no-ready-node", Warning;
        /// Rules of the stack lead to a backend pool that nobody is in.
        EmptyPool = "empty-pool", Warning;
        /// A record that a zone group keeps is not there, or leads elsewhere.
        RecordLost = "record-lost", Warning;
        /// An endpoint's virtual network is not there or could not be read, or its subnet is not in it.
        NetworkMissing = "network-missing", Error;
        /// The private DNS zone of an endpoint's record is not there.
        ZoneMissing = "zone-missing", Error;
        /// An EndpointApproval rejects an endpoint of its own stack.
        OwnEndpointRejected = "own-endpoint-rejected", Error;
        /// The two ends of a connection show different states.
        ConnectionDisagrees = "connection-disagrees", Warning;
        /// What is asked to be made anew is not for privlink to make.
        NotReplaceable = "not-replaceable", Error;
        /// An endpoint is cut off and left so, since the plan is limited to other nodes.
        LeftBehind = "left-behind", Warning;
        /// Somebody asks to connect whom no EndpointApproval names.
        StrangerPending = "stranger-pending", Note;
        /// A field belongs to another field manager.
        FieldConflict = "field-conflict", Error;
        /// Something could not be read.
        Unreadable = "unreadable", Error;
        /// An object is as it is wanted, and carries no stack's mark.
        Unmarked = "unmarked", Note;
        /// An object exists that this stack did not make.
        NotAdopted = "not-adopted", Error;
        /// The controller's first sync leaves work that only a second one does.
        SecondSync = "second-sync", Note;
        /// A request message is other than the live one, which stays once the connection is decided on.
        MessageStays = "message-stays", Note;
        /// More consumers would be disconnected than may be.
        TooManyDisconnects = "too-many-disconnects", Error;
        /// A disconnect was allowed until a day that is over.
        ConsentExpired = "consent-expired", Warning;
        /// An annotation is to give consent, and cannot be read.
        ConsentMisread = "consent-misread", Warning;
        /// A disconnect is allowed that this plan does not bring.
        ConsentUnused = "consent-unused", Note;
        /// More objects would be deleted than may be.
        TooManyDeletes = "too-many-deletes", Error;
        /// A protected node would go.
        Protected = "protected", Error;
    }
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
