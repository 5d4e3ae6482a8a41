//go:build tools

// Package tools pins what is built to be recorded.
package tools

import _ "github.com/envoyproxy/gateway/cmd/envoy-gateway"
