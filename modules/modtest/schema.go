package modtest

import "cvsplay/engine"
import "testing"

func Schema(t *testing.T, modules engine.Modules, m engine.Module) {}
