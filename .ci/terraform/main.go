// Command terraform reads a plan in Terraform's shape from stdin with HashiCorp's own parser, and prints what it finds.
package main

import (
	"fmt"
	"io"
	"os"

	tfjson "github.com/hashicorp/terraform-json"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var plan tfjson.Plan
	// Checks the version of the format as well.
	if err := plan.UnmarshalJSON(text); err != nil {
		return err
	}
	if len(plan.ResourceChanges) == 0 {
		return fmt.Errorf("no resource changes")
	}
	for _, change := range plan.ResourceChanges {
		if change.Mode != tfjson.ManagedResourceMode || change.Change == nil {
			return fmt.Errorf("%s is no managed resource's change", change.Address)
		}
		actions := change.Change.Actions
		var verb string
		switch {
		case actions.Replace():
			verb = "replace"
		case actions.Create():
			verb = "create"
		case actions.Update():
			verb = "update"
		case actions.Delete():
			verb = "delete"
		default:
			return fmt.Errorf("%s has actions that Terraform has not: %v", change.Address, actions)
		}
		if (change.Change.Before == nil) != (verb == "create") || (change.Change.After == nil) != (verb == "delete") {
			return fmt.Errorf("%s: what is before and after does not fit %s", change.Address, verb)
		}
		fmt.Println(verb, change.Address)
	}
	return nil
}
