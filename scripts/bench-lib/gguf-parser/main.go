// Prints gguf-parser-go's estimate of one GGUF file, nothing offloaded, 32768 tokens of context, as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	parser "github.com/gpustack/gguf-parser-go"
)

func main() {
	file, err := parser.ParseGGUFFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	estimate := file.EstimateLLaMACppRun(parser.WithLLaMACppContextSize(32768), parser.WithLLaMACppOffloadLayers(0), parser.WithFlashAttention())
	if err := json.NewEncoder(os.Stdout).Encode(estimate); err != nil {
		os.Exit(1)
	}
}
