package suite

import (
	"encoding/json"
	"fmt"
	"os"
	"path"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
)

// resultsFile is shared by all processes of a parallel run: each line is written at once, to the end.
var resultsFile string

// result is one line; test/conformance/results.ts reads it.
type result struct {
	Name    string  `json:"name"`
	State   string  `json:"state"`
	Seconds float64 `json:"seconds"`
	Message string  `json:"message,omitempty"`
	// Location is the place of the failed assertion, by package and file.
	Location string `json:"location,omitempty"`
}

// reportResults must be called after the flags were read: the framework runs the whole suite dry then, to count it, and ginkgo's copy
// of the suite that really runs has lost what was said about every test before.
func reportResults() {
	ginkgo.ReportAfterEach(func(report types.SpecReport) {
		if report.NumAttempts > 0 {
			write(report, report.FullText())
		}
	})
	// A setup that fails takes all tests with it and is reported for no test.
	ginkgo.ReportAfterSuite("results", func(report types.Report) {
		for _, spec := range report.SpecReports {
			if spec.LeafNodeType != types.NodeTypeIt && spec.Failed() {
				write(spec, "["+spec.LeafNodeType.String()+"]")
			}
		}
		for _, reason := range report.SpecialSuiteFailureReasons {
			record(result{Name: "[Suite]", State: "failed", Message: reason})
		}
	})
}

func write(report types.SpecReport, name string) {
	line := result{Name: name, State: report.State.String(), Seconds: report.RunTime.Seconds()}
	if report.Failed() {
		line.Message = report.Failure.Message
		if report.Failure.ForwardedPanic != "" {
			line.Message += ": " + report.Failure.ForwardedPanic
		}
		place := report.Failure.Location
		if place.FileName != "" {
			line.Location = fmt.Sprintf("%s/%s:%d", path.Base(path.Dir(place.FileName)), path.Base(place.FileName), place.LineNumber)
		}
	} else if report.State == types.SpecStateSkipped {
		line.Message = report.Failure.Message
	}
	record(line)
}

func record(line result) {
	if resultsFile == "" {
		return
	}
	bytes, err := json.Marshal(line)
	if err == nil {
		var file *os.File
		if file, err = os.OpenFile(resultsFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			_, err = file.Write(append(bytes, '\n'))
			_ = file.Close()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the result cannot be written:", err)
	}
}
