//! The rules of files and of YAML.

use crate::rule::{At, Example, basis, rules};

rules! {
    /// The text is not YAML. The document is left out; the other documents of the file are still read, and
    /// references to names in the broken one are not reported as missing.
    YAML_SYNTAX = "yaml-syntax", Error, [Desired], {
        basis: basis::YAML,
        advice: "Look at the place shown and at the line above it: a wrong indentation, a tab, a missing \
            colon, quote or bracket.",
        example: Example::new(At::File, "selector: {app: web", "selector: {app: web}"),
    }

    /// YAML that is valid, but that manifests have no use for: tags such as `!Ref`, mappings as keys, an
    /// alias within its own anchor, the private characters U+E000 to U+E003.
    YAML_UNSUPPORTED = "yaml-unsupported", Error, [Desired], {
        basis: basis::YAML,
        advice: "Write the value plainly. Quotes make a text of anything.",
        example: Example::new(At::File, "kind: !Ref Service", "kind: Service"),
    }

    /// A key appears twice in one mapping. Readers of YAML disagree on which one counts, so privlink takes
    /// none of them for granted. In documents of kinds that are skipped it is a warning.
    DUPLICATE_KEY = "duplicate-key", Error, [Desired], {
        basis: basis::YAML,
        advice: "Remove one of the two. Where another document begins, put a line `---` before it.",
        example: Example::new(At::File, "metadata: {name: web, name: shop}", "metadata: {name: web}"),
    }

    /// The file is not UTF-8. Nothing of it is read.
    NOT_UTF8 = "not-utf8", Error, [Desired], {
        basis: basis::YAML,
        advice: "Save the file as UTF-8. Windows PowerShell 5 writes UTF-16 with `>`: use `Out-File \
            -Encoding utf8`.",
        example: Example::live(r#"name: m\xfcller   # Latin-1"#),
    }

    /// The file has more than 64 MiB. Nothing of it is read.
    FILE_TOO_LARGE = "file-too-large", Error, [Desired], {
        basis: basis::YAML,
        advice: "Split it. A stream of 100,000 Services fits.",
        example: Example::live("# 64 MiB of it"),
    }

    /// The file has more than 100,000 documents. The first 100,000 are read.
    TOO_MANY_DOCUMENTS = "too-many-documents", Error, [Desired], {
        basis: basis::YAML,
        advice: "Split it into several files.",
        example: Example::live("--- # 100,001 times"),
    }

    /// The aliases of one document stand for more than 100,000 values. A few lines of nested aliases can
    /// stand for billions, so there is a bound.
    TOO_MANY_ALIASES = "too-many-aliases", Error, [Desired], {
        basis: basis::YAML,
        advice: "Write the values out, or split the document.",
        example: Example::new(
            At::File,
            "
            a: &a [x, x, x, x, x, x, x, x, x, x]
            b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
            c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
            d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]
            e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]
            f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]
            ",
            "
            a: &a [x, x, x, x, x, x, x, x, x, x]
            b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
            ",
        ),
    }

    /// Lists and mappings are nested more than 100 deep, aliases expanded. No Kubernetes object is.
    NESTED_TOO_DEEP = "nested-too-deep", Error, [Desired], {
        basis: basis::YAML,
        advice: "Look for a runaway `[` or `{`.",
        example: Example::new(
            At::File,
            "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
            "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
        ),
    }
}
