package main

import apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

// openProviders leaves the fields of each provider out of a schema and keeps them in the objects. A metric stands in many
// places of a Rollout, and a copy of all providers at each would not fit into a CRD that kubectl apply can remember. The
// controller says what is wrong with a provider.
func openProviders(schema *apiextensionsv1.JSONSchemaProps) {
	for name, property := range schema.Properties {
		if name == "provider" && property.Properties["graphite"].Type != "" {
			for kind, fields := range property.Properties {
				keep := true
				property.Properties[kind] = apiextensionsv1.JSONSchemaProps{Type: "object", Description: fields.Description, XPreserveUnknownFields: &keep}
			}
		} else {
			openProviders(&property)
		}
		schema.Properties[name] = property
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		openProviders(schema.Items.Schema)
	}
}
