// Schemas for kubeconform, from what the modules of Kubernetes and of operators bring: main FOLDER swagger.json FILE..., where FILEs
// hold CustomResourceDefinitions. Strict: a field that no schema has is an error.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

type object = map[string]any

const prefix = "#/definitions/"

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 {
		log.Fatal("usage: main FOLDER swagger.json [FILE...]")
	}
	folder := os.Args[1]
	builtIn(folder, os.Args[2])
	for _, file := range os.Args[3:] {
		custom(folder, file)
	}
}

// Kinds that Kubernetes has itself.
func builtIn(folder, file string) {
	definitions := read(file)["definitions"].(object)
	definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = object{"type": []any{"string", "integer"}}
	definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = object{"type": []any{"string", "number"}}
	for name, definition := range definitions {
		kinds, _ := definition.(object)["x-kubernetes-group-version-kind"].([]any)
		for _, kind := range kinds {
			kind := kind.(object)
			used := object{}
			collect(definition, definitions, used)
			used[name] = definition
			write(folder, kind["kind"], kind["group"], kind["version"], object{"$ref": prefix + name, "definitions": used})
		}
	}
	for _, definition := range definitions {
		seal(definition)
	}
}

// All that a schema refers to.
func collect(value any, all, used object) {
	switch value := value.(type) {
	case object:
		if reference, is := value["$ref"].(string); is {
			name := strings.TrimPrefix(reference, prefix)
			if _, known := used[name]; !known {
				used[name] = all[name]
				collect(all[name], all, used)
			}
		}
		for _, inner := range value {
			collect(inner, all, used)
		}
	case []any:
		for _, inner := range value {
			collect(inner, all, used)
		}
	}
}

// Kinds that operators define.
func custom(folder, file string) {
	definition := read(file)
	spec := definition["spec"].(object)
	kind := spec["names"].(object)["kind"]
	for _, version := range spec["versions"].([]any) {
		version := version.(object)
		schema := version["schema"].(object)["openAPIV3Schema"]
		write(folder, kind, spec["group"], version["name"], schema.(object))
	}
}

// Refuses fields that an object's schema does not name.
func seal(value any) {
	switch value := value.(type) {
	case object:
		_, named := value["properties"].(object)
		_, said := value["additionalProperties"]
		if named && !said && value["x-kubernetes-preserve-unknown-fields"] != true {
			value["additionalProperties"] = false
		}
		if kind, is := value["type"].(string); is && value["nullable"] == true {
			value["type"] = []any{kind, "null"}
		}
		for _, inner := range value {
			seal(inner)
		}
	case []any:
		for _, inner := range value {
			seal(inner)
		}
	}
}

func read(file string) object {
	text, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	var value object
	if err := yaml.Unmarshal(text, &value); err != nil {
		log.Fatalf("%s: %v", file, err)
	}
	return value
}

// As kubeconform looks for it: `{{.ResourceKind}}{{.KindSuffix}}.json`.
func write(folder string, kind, group, version any, schema object) {
	seal(schema)
	name := fmt.Sprint(kind)
	if group != "" {
		name += "-" + strings.Split(fmt.Sprint(group), ".")[0]
	}
	name = strings.ToLower(fmt.Sprintf("%s-%s.json", name, version))
	text, err := json.Marshal(schema)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, name), text, 0o644)
	}
	if err != nil {
		log.Fatal(err)
	}
}
