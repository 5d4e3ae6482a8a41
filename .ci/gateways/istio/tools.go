//go:build tools

// Package tools pins what is built to be recorded.
package tools

import _ "istio.io/istio/pilot/cmd/pilot-discovery"
