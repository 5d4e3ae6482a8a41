//! Azure Resource Graph: what Azure held some time ago, by query.
//!
//! Of the language it knows a table and one filter by type, which is what the tests of clients need. Rows are as the service
//! shows them: kinds and resource groups in lower case, columns without a value as null or empty, no etag.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use privlink_model::arm;
use privlink_model::arm::error::ArmError;
use privlink_model::resource_id::ResourceId;
use serde_json::{Value, json};

use crate::server::{Answer, Call};
use crate::state::State;

use super::directory::Directory;
use super::error;

/// How many queries are taken in a window.
const QUERIES: u32 = 15;
/// How long a window is.
const WINDOW: Duration = Duration::from_secs(5);
/// How many rows a page has unless asked otherwise, and at most.
const ROWS: (u64, u64) = (100, 1_000);

/// What the service knows, and who asked how much.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// What Azure held, from when on; the oldest first. Empty without a lag.
    held: VecDeque<(Instant, Held)>,
    /// The window in which queries are counted, and how many there were.
    window: Option<(Instant, u32)>,
}

#[derive(Debug)]
struct Held {
    azure: arm::world::World,
    directory: Directory,
}

impl Graph {
    /// Takes note of what Azure holds from now on.
    pub(crate) fn note(&mut self, world: &crate::World, lag: Duration) {
        if lag.is_zero() {
            return;
        }
        let now = Instant::now();
        let held = Held { azure: world.azure.clone(), directory: world.directory.clone() };
        self.held.push_back((now, held));
        // Of those that are old enough the newest shows.
        while self.held.get(1).is_some_and(|(since, _)| now.duration_since(*since) >= lag) {
            self.held.pop_front();
        }
    }

    /// What shows after a lag: the first there is until that is over.
    fn shown(&self, lag: Duration) -> Option<&Held> {
        let old = self.held.iter().rev().find(|(since, _)| since.elapsed() >= lag);
        old.or_else(|| self.held.front()).map(|(_, held)| held)
    }

    /// Counts a query: how many are left, and after how many seconds all are taken again; nothing left if it is one too
    /// many.
    fn count(&mut self) -> (Option<u32>, u64) {
        let now = Instant::now();
        let (since, used) =
            self.window.filter(|(since, _)| since.elapsed() < WINDOW).unwrap_or((now, 0));
        self.window = Some((since, used.saturating_add(1)));
        let resets = WINDOW.saturating_sub(now.duration_since(since)).as_secs_f64().ceil();
        // At most five seconds.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 5")]
        let resets = resets as u64;
        (QUERIES.checked_sub(used + 1), resets)
    }
}

/// Answers a query.
pub(super) fn answer(state: &mut State, call: &Call) -> Result<Answer, ArmError> {
    let (left, resets) = state.graph.count();
    let quota = |answer: Answer| {
        answer
            .header("x-ms-user-quota-remaining", &left.unwrap_or(0).to_string())
            .header("x-ms-user-quota-resets-after", &format!("00:00:{resets:02}"))
    };
    if left.is_none() {
        let message = "Client application has been throttled and should not attempt to repeat the request until an \
                       amount of time has elapsed.";
        let refused = ArmError::new(429, "RateLimiting", message);
        return Ok(quota(error::refusal(&refused)));
    }
    let body = call.json().map_err(|why| error::malformed(&why))?;
    let query = Query::parse(&body)?;
    let (azure, directory) = match state.graph.shown(state.options.graph_lag) {
        Some(held) => (&held.azure, &held.directory),
        None => (&state.world.azure, &state.world.directory),
    };
    let may_read = |kind: &str, id: &str| state.world.directory.allows(&format!("{kind}/read"), id);
    let fits = |kind: &str, id: &str| query.fits(kind, id) && may_read(kind, id);
    // Only the rows of the page asked for are rendered.
    let (total, data): (usize, Vec<Value>) = if query.table == "resourcecontainers" {
        let mut rows = containers(directory);
        rows.retain(|row| fits(text(row, "type"), text(row, "id")));
        rows.sort_by_key(|row| text(row, "id").to_lowercase());
        (rows.len(), query.page(rows).collect())
    } else {
        let mut keys: Vec<&str> = azure
            .keys()
            .filter(|key| {
                let kind = kind_of(key);
                table_of(&kind) == Some(query.table.as_str()) && fits(&kind, key)
            })
            .collect();
        keys.sort_unstable();
        let total = keys.len();
        let shown = query.page(keys).filter_map(|key| azure.get(&ResourceId::new(key)));
        (total, shown.map(|resource| row(&resource)).collect())
    };
    let next = query.from + data.len();
    let mut answer = json!({
        "totalRecords": total, "count": data.len(), "resultTruncated": (next < total).to_string(),
        "data": data, "facets": [],
    });
    if let (true, Some(answer)) = (next < total, answer.as_object_mut()) {
        answer.insert("$skipToken".to_owned(), json!(next.to_string()));
    }
    Ok(quota(Answer::json(200, answer)))
}

/// A query, as far as it is understood.
struct Query {
    table: String,
    /// The kinds that are asked for, in lower case; all if there are none.
    kinds: Vec<String>,
    /// In lower case; all if there are none.
    subscriptions: Vec<String>,
    from: usize,
    top: usize,
}

impl Query {
    fn parse(body: &Value) -> Result<Self, ArmError> {
        let query = body.get("query").and_then(Value::as_str).unwrap_or_default();
        let table = query.split('|').next().unwrap_or_default().trim().to_lowercase();
        if !["resources", "dnsresources", "resourcecontainers"].contains(&table.as_str()) {
            let message = format!("Table {table} is invalid, unsupported or disallowed.");
            return Err(ArmError::new(400, "BadRequest", message));
        }
        let filter = query.split('|').find(|part| part.trim_start().starts_with("where type "));
        let quoted = filter.unwrap_or_default().split('\'').skip(1).step_by(2);
        let kinds = quoted.map(str::to_lowercase).collect();
        let subscriptions = body.get("subscriptions").and_then(Value::as_array);
        let subscriptions = subscriptions.into_iter().flatten();
        let number = |pointer: &str| {
            let value = body.pointer(pointer)?;
            value.as_u64().or_else(|| value.as_str()?.parse().ok())
        };
        let from = number("/options/$skipToken").unwrap_or(0);
        let top = number("/options/$top").unwrap_or(ROWS.0).clamp(1, ROWS.1);
        Ok(Self {
            table,
            kinds,
            subscriptions: subscriptions
                .filter_map(|id| Some(id.as_str()?.to_lowercase()))
                .collect(),
            from: usize::try_from(from).unwrap_or(usize::MAX),
            top: usize::try_from(top).unwrap_or(usize::MAX),
        })
    }

    fn fits(&self, kind: &str, id: &str) -> bool {
        let any = |wanted: &[String], own: &str| {
            wanted.is_empty() || wanted.iter().any(|it| it.eq_ignore_ascii_case(own))
        };
        let id = ResourceId::new(id);
        any(&self.kinds, kind) && any(&self.subscriptions, id.subscription().unwrap_or_default())
    }

    fn page<T>(&self, rows: Vec<T>) -> impl Iterator<Item = T> {
        rows.into_iter().skip(self.from).take(self.top)
    }
}

fn text<'a>(row: &'a Value, column: &str) -> &'a str {
    row.get(column).and_then(Value::as_str).unwrap_or_default()
}

/// The type of a resource, by its id in lower case.
fn kind_of(key: &str) -> String {
    let named = key.rsplit_once("/providers/").map_or("", |(_, named)| named);
    let mut parts = named.split('/');
    let namespace = parts.next().unwrap_or_default();
    let types: Vec<&str> = parts.step_by(2).collect();
    format!("{namespace}/{}", types.join("/"))
}

/// The table that holds a type: records of zones are in one of their own, other parts of resources in none, but for the
/// links of zones.
fn table_of(kind: &str) -> Option<&'static str> {
    match kind.strip_prefix("microsoft.network/privatednszones/") {
        Some("virtualnetworklinks") => Some("resources"),
        Some(_) => Some("dnsresources"),
        None => (kind.split('/').count() == 2).then_some("resources"),
    }
}

fn row(resource: &Value) -> Value {
    let id = ResourceId::new(text(resource, "id"));
    let given = |name: &str| resource.get(name).cloned().unwrap_or(Value::Null);
    json!({
        "id": id.as_str(), "name": text(resource, "name"),
        "type": text(resource, "type").to_lowercase(), "tenantId": "", "kind": text(resource, "kind"),
        "location": text(resource, "location").to_lowercase(),
        "resourceGroup": id.resource_group().unwrap_or_default().to_lowercase(),
        "subscriptionId": id.subscription().unwrap_or_default(), "managedBy": text(resource, "managedBy"),
        "sku": given("sku"), "plan": null, "properties": given("properties"), "tags": given("tags"),
        "identity": given("identity"), "zones": given("zones"), "extendedLocation": null,
    })
}

fn containers(directory: &Directory) -> Vec<Value> {
    let subscriptions = directory.subscriptions.iter().map(|it| {
        json!({
            "id": format!("/subscriptions/{}", it.id), "name": it.display_name,
            "type": "microsoft.resources/subscriptions", "subscriptionId": it.id, "tenantId": it.tenant,
        })
    });
    let groups = directory.groups.values().map(|it| {
        let id = ResourceId::new(text(it, "id"));
        json!({
            "id": id.as_str(), "name": text(it, "name"), "location": text(it, "location"),
            "type": "microsoft.resources/subscriptions/resourcegroups", "resourceGroup": text(it, "name").to_lowercase(),
            "subscriptionId": id.subscription().unwrap_or_default(),
        })
    });
    subscriptions.chain(groups).collect()
}
