//! Queries of Azure Resource Graph.
//!
//! One query goes over up to 1,000 subscriptions and comes in pages of 1,000 rows at most; rows that are not ordered
//! come in any order, so that pages would overlap. Who asks has 15 queries in 5 seconds, which every reply counts down
//! (`x-ms-user-quota-remaining`, `x-ms-user-quota-resets-after`); a page is a query (Microsoft Learn, "Guidance for
//! throttled requests" and "Working with large data sets" of Azure Resource Graph).
//!
//! It is a copy of what resource providers tell it, which lags behind them without an upper bound. Nothing that is
//! written, waited for or planned may rest on it.

use std::collections::BTreeSet;

use azure_core::http::Method;
use privlink_http::failure::{Doing, ErrorKind};
use serde_json::{Value, json};

use super::ArmClient;
use crate::error::ArmError;

const RESOURCES: &str = "/providers/Microsoft.ResourceGraph/resources";
/// How many rows a page has at most.
const ROWS: usize = 1_000;
/// How many subscriptions a query goes over at most.
const SUBSCRIPTIONS: usize = 1_000;

impl ArmClient {
    /// All rows of a query that orders them, over these subscriptions. A subscription that the identity cannot see
    /// has none.
    ///
    /// # Errors
    /// A page that could not be read, or pages that do not come to as many rows as there are: half an answer would
    /// read as absences.
    pub async fn query(
        &self,
        query: &str,
        subscriptions: &BTreeSet<String>,
    ) -> Result<Vec<Value>, ArmError> {
        let subscriptions: Vec<&String> = subscriptions.iter().collect();
        let mut rows = Vec::new();
        for some in subscriptions.chunks(SUBSCRIPTIONS) {
            rows.extend(self.query_some(query, some).await?);
        }
        Ok(rows)
    }

    async fn query_some(
        &self,
        query: &str,
        subscriptions: &[&String],
    ) -> Result<Vec<Value>, ArmError> {
        let mut rows = Vec::new();
        let mut token: Option<String> = None;
        let mut seen = BTreeSet::new();
        loop {
            let mut options = json!({"resultFormat": "objectArray", "$top": ROWS});
            if let (Some(token), Some(options)) = (&token, options.as_object_mut()) {
                options.insert("$skipToken".to_owned(), json!(token));
            }
            let body = json!({"subscriptions": subscriptions, "query": query, "options": options});
            let mut call = self.call(Doing::List, Method::Post, RESOURCES)?;
            call.body = Some(&body);
            let reply = self.read(&call, None).await?;
            let mut page = self.json(&call, &reply)?;
            let wrong = |message: String| self.error(&call, ErrorKind::Protocol, message);
            let Some(Value::Array(mut data)) = page.get_mut("data").map(Value::take) else {
                return Err(wrong("the reply holds no rows".to_owned()));
            };
            rows.append(&mut data);
            let next = page.get("$skipToken").and_then(Value::as_str);
            token = next.filter(|it| !it.is_empty()).map(str::to_owned);
            let Some(next) = &token else {
                let total = page.get("totalRecords").and_then(Value::as_u64).unwrap_or_default();
                let is_cut = page.get("resultTruncated").and_then(Value::as_str) == Some("true");
                if is_cut || usize::try_from(total).is_ok_and(|total| total > rows.len()) {
                    return Err(wrong(format!("{} of {total} rows came", rows.len())));
                }
                return Ok(rows);
            };
            if !seen.insert(next.clone()) || seen.len() > self.inner.settings.most_pages {
                return Err(wrong("the pages of the answer do not end".to_owned()));
            }
        }
    }
}
