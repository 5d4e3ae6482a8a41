//! The JSON Schemas of the input are those that the decoder's tables give.

mod golden;

#[test]
fn schema_files_are_fresh() {
    for (name, schema) in privlink_core::schema::files() {
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        golden::assert(&format!("schemas/{name}"), &text);
    }
}
