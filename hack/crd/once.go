package main

import apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

// sayOnce leaves the descriptions of an analysis where it is named first, in the background of a canary. Five copies of them
// would not fit into a CRD that kubectl apply can remember.
func sayOnce(strategy apiextensionsv1.JSONSchemaProps) {
	const where = "spec.strategy.canary.analysis"
	canary, blueGreen := strategy.Properties["canary"].Properties, strategy.Properties["blueGreen"].Properties
	sameAs(canary["steps"].Items.Schema.Properties, "analysis", where)
	sameAs(canary["bake"].Properties, "analysis", where)
	sameAs(blueGreen, "prePromotionAnalysis", where)
	sameAs(blueGreen, "postPromotionAnalysis", where)
}

// sameAs takes the descriptions out of a property, except its own, and says where they are.
func sameAs(properties map[string]apiextensionsv1.JSONSchemaProps, name, where string) {
	property := properties[name]
	own := property.Description
	undescribe(&property)
	property.Description = own + " Its fields are those of " + where + "."
	properties[name] = property
}

func undescribe(schema *apiextensionsv1.JSONSchemaProps) {
	schema.Description = ""
	if schema.Items != nil {
		undescribe(schema.Items.Schema)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		undescribe(schema.AdditionalProperties.Schema)
	}
	for name, property := range schema.Properties {
		undescribe(&property)
		schema.Properties[name] = property
	}
}
