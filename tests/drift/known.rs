//! Drift that is known: what the Stack ignores, and what an earlier report had.

use std::fs;

use serde_json::{Value, json};

use crate::support::flat;
use crate::world::{Applied, checked, of_nodes};

const LOOK: &str = "drift -f examples/private-link --observed now.json";

/// A Private Link Service that somebody changed, and an entry that ignores something.
fn changed(entries: &str) -> Applied {
    let applied = Applied::private_link();
    applied.edit(&of_nodes("privateLinkServices/my-pls"), |link| {
        link["properties"]["visibility"] = json!({"subscriptions": ["*"]});
    });
    let snapshot = applied.snapshot("now.json");
    applied.save("now.json", &snapshot);
    if !entries.is_empty() {
        let file = applied.place.path().join("examples/private-link/stack.yaml");
        let stack = fs::read_to_string(&file).unwrap();
        fs::write(file, format!("{stack}  policy:\n    ignoreDrift:\n{entries}")).unwrap();
    }
    applied
}

fn look(applied: &Applied, flags: &str, code: i32) -> Value {
    checked(&applied.place.run(&format!("{LOOK} -o json {flags}")).expect(code).stdout)
}

fn entry(object: &str, until: &str) -> String {
    let until = if until.is_empty() { String::new() } else { format!(", until: {until}") };
    format!(
        "    - {{object: \"{object}\", class: changed-in-azure, reason: the platform's <b>{until}}}\n"
    )
}

#[test]
fn what_is_ignored_stays_in_every_report_and_counts_for_nothing() {
    let plain = changed("");
    let difference = &look(&plain, "", 2)["stacks"][0]["differences"][0];
    assert_eq!(difference["class"], "changed-in-azure");
    let applied = changed(&entry("PrivateLinkService/*", "2999-12-31"));
    let report = look(&applied, "", 0);
    let ignored = &report["stacks"][0]["differences"][0];
    assert_eq!(ignored["id"], difference["id"], "it is the same one");
    assert_eq!(ignored["ignored"], json!({"reason": "the platform's <b>", "until": "2999-12-31"}));
    assert_eq!(
        (&report["summary"]["drift"], &report["summary"]["ignored"]),
        (&json!(0), &json!(1))
    );
    let shown = |format: &str| {
        flat(
            &applied.place.run(&format!("{LOOK} -o {format} --prometheus m.prom")).expect(0).stdout,
        )
    };
    let text = shown("text");
    assert!(text.contains("Ignored: 1") && text.ends_with("No drift. 1 ignored."), "{text}");
    assert!(text.contains("ignored until 2999-12-31: the platform's <b>"), "{text}");
    for format in ["markdown", "html", "junit"] {
        let text = shown(format);
        assert!(text.contains("ignored until 2999-12-31") && !text.contains("<b>"), "{text}");
    }
    assert!(shown("junit").contains("failures=\"0\""));
    let metrics = fs::read_to_string(applied.place.path().join("m.prom")).unwrap();
    let of = |metric: &str| metrics.lines().find(|it| it.starts_with(metric)).unwrap().to_owned();
    assert!(of("privlink_ignored_objects{").ends_with(" 1"));
    let changed = "privlink_drift_objects{stack=\"private-link\",class=\"changed-in-azure\"}";
    assert!(of(changed).ends_with(" 0"), "{metrics}");
}

#[test]
fn an_entry_that_has_ended_or_ignores_nothing_is_reported() {
    let entries = [entry("PrivateLinkService/*", "2020-01-01"), entry("PrivateEndpoint/no", "")];
    let applied = changed(&entries.concat());
    let report = look(&applied, "", 2);
    let unused = report["stacks"][0]["unusedIgnores"].as_array().unwrap();
    let why: Vec<&Value> = unused.iter().map(|it| &it["why"]).collect();
    assert_eq!(why, ["expired", "unused"]);
    assert!(unused[0]["place"].as_str().unwrap().contains("stack.yaml:"), "{unused:?}");
    let text = flat(&applied.place.run(LOOK).expect(2).stdout);
    let ended = "PrivateLinkService/* (changed-in-azure) ended on 2020-01-01: the platform's";
    assert!(text.contains(ended), "{text}");
    let nothing = "PrivateEndpoint/no (changed-in-azure) ignores nothing now: the platform's";
    assert!(text.contains(nothing), "{text}");
    let wrong = changed(&entry("Service/*", "soon"));
    let refused = wrong.place.run(LOOK).expect(1).stderr;
    assert!(refused.contains("`soon` is not a day"), "{refused}");
}

/// New, still, gone, over files as a job keeps them.
#[test]
fn a_look_says_what_the_one_before_did_not() {
    let applied = changed("");
    let kept = "--baseline last.json --render json=last.json";
    let first = applied.place.run(&format!("{LOOK} {kept}")).expect(2);
    assert!(first.stderr.contains("last.json does not exist yet"), "{}", first.stderr);
    assert!(flat(&first.stdout).contains("Since the earlier report: 1 new, 0 still, 0 gone."));
    let second = look(&applied, kept, 2);
    let difference = &second["stacks"][0]["differences"][0];
    assert!(difference.get("new").is_none(), "{difference}");
    assert_eq!(difference["firstSeen"], second["stacks"][0]["observedAt"]);
    applied.edit(&of_nodes("privateLinkServices/my-pls"), |link| {
        link["properties"]["visibility"] = json!({"subscriptions": []});
    });
    let after = format!("drift -f examples/private-link --sandbox {kept}");
    let third = flat(&applied.place.run(&after).expect(0).stdout);
    assert!(third.contains("Gone: 1") && third.contains("0 new, 0 still, 1 gone."), "{third}");
    let wrong = applied.place.run(&format!("{LOOK} --baseline now.json")).expect(1).stderr;
    assert!(wrong.contains("now.json is no report"), "{wrong}");
}
