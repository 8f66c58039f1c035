package main

import (
	"regexp"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// maxDescription bounds a description within the template. The whole CRD has to stay below the 256 KiB that
// kubectl apply can remember in an annotation, and the descriptions of core/v1 alone are longer.
const maxDescription = 52

// podTemplate turns the schema that controller-gen derives from core/v1 into one that helps people and never touches what
// they wrote: types and required fields are checked, but nothing is defaulted, and a field that this version of core/v1
// doesn't know passes through. A default would change the stored template, hence the identity of the revision, on an
// update of the CRD alone.
func podTemplate(template *apiextensionsv1.JSONSchemaProps) {
	loosen(template)
	template.Properties["metadata"] = podMetadata()
	template.Required = []string{"spec"}

	spec := template.Properties["spec"]
	containers := spec.Properties["containers"]
	containers.MinItems = new(int64(1))
	// A missing and an empty list of containers are told as two different errors; null would be a third.
	containers.Nullable = false
	spec.Properties["containers"] = containers
	container := containers.Items.Schema.Properties
	sameAs(container, "readinessProbe", "livenessProbe")
	sameAs(container, "startupProbe", "livenessProbe")
	sameAs(container["lifecycle"].Properties, "preStop", "postStart")
	sameAs(spec.Properties["affinity"].Properties, "podAntiAffinity", "podAffinity")
	sameAs(spec.Properties, "initContainers", "containers")
	volume := spec.Properties["volumes"].Items.Schema.Properties
	for _, source := range []string{"configMap", "downwardAPI", "secret"} {
		sameAs(volume["projected"].Properties["sources"].Items.Schema.Properties, source, "volumes."+source)
	}
	spec.Properties["ephemeralContainers"] = forbiddenList("Not allowed in a pod template: ephemeral containers are added to a running pod.")
	spec.Nullable = false
	template.Properties["spec"] = spec
	template.Nullable = false
}

// loosen makes one schema and everything below it accept what the API server accepts in a Deployment.
func loosen(schema *apiextensionsv1.JSONSchemaProps) {
	schema.Description = shorten(schema.Description)
	schema.Default = nil
	if schema.Type == "object" && schema.AdditionalProperties == nil {
		schema.XPreserveUnknownFields = new(true)
	}
	if schema.AdditionalProperties != nil {
		loosen(schema.AdditionalProperties.Schema)
	}
	if schema.Items != nil {
		loosen(schema.Items.Schema)
	}
	keepListMap(schema)
	for name, property := range schema.Properties {
		loosen(&property)
		// Templating tools write `nodeSelector:` with nothing behind it; a Deployment takes that as absent.
		property.Nullable = !slices.Contains(schema.Required, name)
		if name == "metadata" {
			property = podMetadata()
		}
		schema.Properties[name] = property
	}
}

// keepListMap leaves a list addressed by keys only if each item must have all of them. The others, such as the ports of a
// container with their defaulted protocol, are replaced as a whole.
func keepListMap(schema *apiextensionsv1.JSONSchemaProps) {
	if schema.XListType == nil || *schema.XListType != "map" {
		return
	}
	for _, key := range schema.XListMapKeys {
		if !slices.Contains(schema.Items.Schema.Required, key) {
			schema.XListType, schema.XListMapKeys = new("atomic"), nil
			return
		}
	}
}

// podMetadata describes the two parts of a template's metadata that reach a pod. The bounds are those of a label; CEL
// needs them to tell beforehand what a rule about labels costs.
func podMetadata() apiextensionsv1.JSONSchemaProps {
	labels := stringMap("Labels of the pods.")
	boundLabels(&labels)
	return apiextensionsv1.JSONSchemaProps{
		Description:            "Labels and annotations of the pods.",
		Type:                   "object",
		Nullable:               true,
		XPreserveUnknownFields: new(true),
		Properties: map[string]apiextensionsv1.JSONSchemaProps{
			"annotations": stringMap("Annotations of the pods."),
			"labels":      labels,
		},
	}
}

func stringMap(description string) apiextensionsv1.JSONSchemaProps {
	return apiextensionsv1.JSONSchemaProps{
		Description: description,
		Type:        "object",
		Nullable:    true,
		AdditionalProperties: &apiextensionsv1.JSONSchemaPropsOrBool{
			Schema: &apiextensionsv1.JSONSchemaProps{Type: "string"},
		},
	}
}

func boundLabels(labels *apiextensionsv1.JSONSchemaProps) {
	labels.MaxProperties = new(int64(64))
	labels.AdditionalProperties.Schema.MaxLength = new(int64(63))
}

// boundSelector bounds the labels of spec.selector like those of the template that they are compared with.
func boundSelector(spec *apiextensionsv1.JSONSchemaProps) {
	selector := spec.Properties["selector"]
	labels := selector.Properties["matchLabels"]
	boundLabels(&labels)
	selector.Properties["matchLabels"] = labels
	spec.Properties["selector"] = selector
}

func forbiddenList(description string) apiextensionsv1.JSONSchemaProps {
	return apiextensionsv1.JSONSchemaProps{
		Description: description,
		Type:        "array",
		Nullable:    true,
		MaxItems:    new(int64(0)),
		XListType:   new("atomic"),
		Items: &apiextensionsv1.JSONSchemaPropsOrArray{
			Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: new(true)},
		},
	}
}

// sentenceEnd matches the end of a sentence or paragraph, but not the full stop of "e.g. ports".
var sentenceEnd = regexp.MustCompile(`\.\s+[A-Z]|:?\s*\n\s*(\n|[-*] )`)

// shorten returns the first sentence of a description, cut between words if that is long too.
func shorten(description string) string {
	if end := sentenceEnd.FindStringIndex(description); end != nil {
		description = description[:end[0]]
	}
	words := strings.Fields(description)
	var short strings.Builder
	for i, word := range words {
		if short.Len()+len(word) > maxDescription {
			return strings.TrimRight(short.String(), ",;:") + " ..."
		}
		if i > 0 {
			short.WriteByte(' ')
		}
		short.WriteString(word)
	}
	return strings.TrimRight(short.String(), ".,:;")
}
