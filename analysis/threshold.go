package analysis

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Threshold is the range in which a metric is good, bounds included. A nil bound is none.
type Threshold struct {
	Min, Max *float64
	// Text is the range in the user's words, for example ">= 99%".
	Text string
	// Unit is how values are written beside Text.
	Unit Unit
}

// Unit is how the values of a metric are written for people. Values themselves are plain numbers, ratios or seconds.
type Unit string

// The units.
const (
	// Plain: 0.99 is written 0.99.
	Plain Unit = ""
	// Percent: 0.99 is written 99%.
	Percent Unit = "%"
	// Seconds: 0.5 is written 500ms.
	Seconds Unit = "s"
)

const acceptedBounds = "write a number (0.99), a percentage (99%) or a duration of one unit (500ms; also us, s, m for minutes, h)"

// noise is how far a value may lie outside a bound, relative to the bound, and still count as on it. A success rate of
// exactly 99% that a database computed from sums of rates arrives as 0.9899999999999999; nobody means to take a release
// back for that.
const noise = 1e-9

// ParseThreshold reads the bounds as the user wrote them; an empty one is none, but one of the two must be there.
// A percentage becomes a ratio and a duration becomes seconds. Errors name the bound and its value.
func ParseThreshold(minimum, maximum string) (Threshold, error) {
	if minimum == "" && maximum == "" {
		return Threshold{}, fmt.Errorf("neither min nor max is given; %s", acceptedBounds)
	}
	low, lowUnit, err := parseBound("min", minimum)
	if err != nil {
		return Threshold{}, err
	}
	high, highUnit, err := parseBound("max", maximum)
	if err != nil {
		return Threshold{}, err
	}
	unit, err := commonUnit(lowUnit, highUnit)
	if err != nil {
		return Threshold{}, fmt.Errorf("min %q and max %q: %w", minimum, maximum, err)
	}
	if low != nil && high != nil && *low > *high {
		return Threshold{}, fmt.Errorf("min %q is above max %q, so no value could be good; swap them", minimum, maximum)
	}
	return Threshold{Min: low, Max: high, Text: rangeText(minimum, maximum), Unit: unit}, nil
}

func rangeText(minimum, maximum string) string {
	var parts []string
	if minimum != "" {
		parts = append(parts, ">= "+minimum)
	}
	if maximum != "" {
		parts = append(parts, "<= "+maximum)
	}
	return strings.Join(parts, " and ")
}

// commonUnit also lets a plain number stand beside a percentage or a duration: 0.95 and 99% are both ratios.
func commonUnit(a, b Unit) (Unit, error) {
	switch {
	case a == b || b == Plain:
		return a, nil
	case a == Plain:
		return b, nil
	}
	return Plain, errors.New("one is a percentage and the other a duration; write both the same way")
}

// parseBound reads one bound. The syntax is that of the CRD's schema.
func parseBound(name, text string) (*float64, Unit, error) {
	if text == "" {
		return nil, Plain, nil
	}
	syntax := regexp.MustCompile(`^(-?[0-9]+(?:\.[0-9]+)?)(?:e(-?[0-9]+))?(%|us|ms|s|m|h)?$`)
	parts := syntax.FindStringSubmatch(text)
	if parts == nil {
		return nil, Plain, fmt.Errorf("%s %q is not understood: %s", name, text, acceptedBounds)
	}
	unit, shift, factor := scale(parts[3])
	value, err := decimal(parts[1], parts[2], shift)
	if err != nil || math.IsInf(value*factor, 0) {
		return nil, Plain, fmt.Errorf("%s %q is too large or too precise for a floating-point number: %s", name, text, acceptedBounds)
	}
	value *= factor
	return &value, unit, nil
}

// scale says what a suffix does to a number: shift moves the decimal point, factor multiplies.
func scale(suffix string) (unit Unit, shift int, factor float64) {
	switch suffix {
	case "%":
		return Percent, -2, 1
	case "us":
		return Seconds, -6, 1
	case "ms":
		return Seconds, -3, 1
	case "s":
		return Seconds, 0, 1
	case "m":
		return Seconds, 0, 60
	case "h":
		return Seconds, 0, 3600
	}
	return Plain, 0, 1
}

// decimal moves the decimal point in the text rather than dividing: 99.9/100 is not the number 0.999, and a value of
// exactly 99.9% must be on the bound.
func decimal(mantissa, exponent string, shift int) (float64, error) {
	if exponent != "" {
		e, err := strconv.Atoi(exponent)
		if err != nil {
			return 0, err
		}
		shift += e
	}
	return strconv.ParseFloat(mantissa+"e"+strconv.Itoa(shift), 64)
}

// contains says whether a finite value is good.
func (t Threshold) contains(value float64) bool {
	if t.Min != nil && value < *t.Min-noise*math.Abs(*t.Min) {
		return false
	}
	return t.Max == nil || value <= *t.Max+noise*math.Abs(*t.Max)
}

// Format writes a value in the unit of the threshold with as few digits as show on which side of the bounds it is:
// 0.98999 is not written as 0.99 when that is the minimum. Three digits are the least.
func (t Threshold) Format(value float64) string {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return strconv.FormatFloat(value, 'g', -1, 64)
	}
	for digits := 3; digits < 17; digits++ {
		rounded, err := strconv.ParseFloat(strconv.FormatFloat(value, 'e', digits-1, 64), 64)
		if err == nil && t.side(rounded) == t.side(value) {
			return t.write(rounded, digits)
		}
	}
	return t.write(value, 17)
}

// side is where a value lies: below, at or above each of the bounds.
func (t Threshold) side(value float64) [2]int {
	var s [2]int
	for i, bound := range []*float64{t.Min, t.Max} {
		switch {
		case bound == nil || math.Abs(value-*bound) <= noise*math.Abs(*bound):
		case value < *bound:
			s[i] = -1
		default:
			s[i] = 1
		}
	}
	return s
}

func (t Threshold) write(value float64, digits int) string {
	switch t.Unit {
	case Percent:
		return plain(value*100, digits) + "%"
	case Seconds:
		return writeSeconds(value, digits)
	case Plain:
	}
	return plain(value, digits)
}

// writeSeconds picks the largest of the units that users write latencies in.
func writeSeconds(value float64, digits int) string {
	switch size := math.Abs(value); {
	case size == 0 || size >= 1:
		return plain(value, digits) + "s"
	case size >= 1e-3:
		return plain(value*1e3, digits) + "ms"
	}
	return plain(value*1e6, digits) + "us"
}

// plain writes a number without an exponent where people wouldn't use one. Scaling may have left noise behind the last
// digit (0.07*100 is 7.000000000000001), so it rounds once more.
func plain(value float64, digits int) string {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(value, 'e', digits-1, 64), 64)
	if err != nil { // rounded up beyond the largest number
		rounded = value
	}
	if size := math.Abs(rounded); size != 0 && (size < 1e-4 || size >= 1e15) {
		return strconv.FormatFloat(rounded, 'g', -1, 64)
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}
