//! Azure Resource Graph over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::{Value, json};
use support::azure::{make_service, options, sandbox};
use support::{Arm, NODE_GROUP, SUBSCRIPTION, network, start};

async fn query(arm: &Arm, text: &str, options: Value) -> support::Reply {
    let body = json!({"subscriptions": [SUBSCRIPTION], "query": text, "options": options});
    arm.send("POST", "/providers/Microsoft.ResourceGraph/resources", Some(&body)).await
}

#[tokio::test]
async fn resource_graph_shows_rows_by_pages_and_counts_queries() {
    let (_running, arm) = sandbox().await;
    make_service(&arm, json!({})).await;
    let kinds = "resources | where type in~ ('microsoft.network/virtualnetworks', 'microsoft.network/privateLinkServices') \
                 | order by id asc";
    let all = query(&arm, kinds, json!({"resultFormat": "objectArray"})).await;
    assert_eq!((all.status, all.header("x-ms-user-quota-remaining")), (200, "14"));
    assert_eq!(all.header("x-ms-user-quota-resets-after"), "00:00:05");
    assert_eq!(all.body["resultTruncated"], "false");
    let rows = all.body["data"].as_array().unwrap();
    assert_eq!(all.body["totalRecords"], rows.len());
    let service = rows.iter().find(|row| row["name"] == "pls").unwrap();
    assert_eq!(service["type"], "microsoft.network/privatelinkservices");
    assert_eq!(service["resourceGroup"], NODE_GROUP.to_lowercase());
    assert_eq!((&service["tags"], &service["kind"]), (&Value::Null, &json!("")));
    assert!(service["properties"]["alias"].is_string() && service["etag"].is_null(), "{service:#}");
    // Subnets are in their networks, and in no table.
    assert!(rows.iter().all(|row| !row["type"].as_str().unwrap().contains("subnets")));
    let mut paged = Vec::new();
    let mut token = Value::Null;
    loop {
        let page = query(&arm, kinds, json!({"$top": 1, "$skipToken": token})).await.body;
        paged.extend(page["data"].as_array().unwrap().clone());
        token = page["$skipToken"].clone();
        assert_eq!(page["resultTruncated"] == "true", token.is_string());
        if token.is_null() {
            break;
        }
    }
    assert_eq!(&paged, rows);
    let groups =
        "resourcecontainers | where type =~ 'microsoft.resources/subscriptions/resourcegroups'";
    let groups = query(&arm, groups, json!({})).await.body;
    assert!(groups["data"].as_array().unwrap().iter().any(|row| row["name"] == NODE_GROUP));
    assert_eq!(query(&arm, "nothing | where a", json!({})).await.code(), "BadRequest");
    let mut last = 200;
    for _ in 0..15 {
        let reply = query(&arm, kinds, json!({})).await;
        last = reply.status;
        if last == 429 {
            assert_eq!(reply.header("x-ms-user-quota-remaining"), "0");
            break;
        }
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn resource_graph_lags_as_it_is_told_to() {
    let mut options = options();
    options.graph_lag = std::time::Duration::from_millis(600);
    let running = start(options).await;
    let arm = Arm::new(&running);
    let zones = "resources | where type =~ 'microsoft.network/privatednszones'";
    let zone = network(SUBSCRIPTION, NODE_GROUP, "privateDnsZones/late.example");
    let first = query(&arm, zones, json!({})).await.body["totalRecords"].as_u64().unwrap();
    let body = json!({"location": "global"});
    arm.finish("PUT", &zone, Some(&body)).await;
    assert_eq!(arm.get(&zone).await.status, 200);
    assert_eq!(query(&arm, zones, json!({})).await.body["totalRecords"], first);
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    assert_eq!(query(&arm, zones, json!({})).await.body["totalRecords"], first + 1);
}
