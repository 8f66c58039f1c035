package v1alpha1

// ManagedRoute is the name of a rule that steps may add to the routes.
type ManagedRoute struct {
	// Name of the rule, as it appears in the routes.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`
}

// HeaderRoute is a rule that leads requests with certain headers to the canary.
type HeaderRoute struct {
	// Name of the rule, one of trafficRouting.managedRoutes.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// Match: all of these headers have to be as described. Without match the rule is removed.
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Match []HeaderRouteMatch `json:"match,omitempty"`
}

// HeaderRouteMatch describes a header.
type HeaderRouteMatch struct {
	// HeaderName is the name of the header; case doesn't matter.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	HeaderName string `json:"headerName"`
	// HeaderValue describes its value.
	// +required
	HeaderValue StringMatch `json:"headerValue"`
}

// MirrorRoute is a rule that copies requests to the canary.
type MirrorRoute struct {
	// Name of the rule, one of trafficRouting.managedRoutes.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// Match: requests that one of these describes are copied. Default: all.
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Match []MirrorRouteMatch `json:"match,omitempty"`
	// Percentage of these requests that is copied. Default 100. Without match and percentage the rule is removed.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Percentage *int32 `json:"percentage,omitempty"`
}

// MirrorRouteMatch describes requests. All of its fields have to hold.
//
// +kubebuilder:validation:XValidation:rule="has(self.method) || has(self.path) || has(self.headers)",message="a match of setMirrorRoute needs method, path or headers; leave match out to copy all requests"
type MirrorRouteMatch struct {
	// Method of the request.
	// +optional
	Method *StringMatch `json:"method,omitempty"`
	// Path of the request.
	// +optional
	Path *StringMatch `json:"path,omitempty"`
	// Headers of the request by their names; case doesn't matter in them.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	Headers map[string]StringMatch `json:"headers,omitempty"`
}

// StringMatch describes a text. It holds exactly one way to do so.
//
// +kubebuilder:validation:XValidation:rule="[has(self.exact), has(self.prefix), has(self.regex)].exists_one(x, x)",message="describe the text in one way: exact, prefix or regex"
type StringMatch struct {
	// Exact is the text.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Exact string `json:"exact,omitempty"`
	// Prefix is how the text begins.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Prefix string `json:"prefix,omitempty"`
	// Regex has to match the whole text. Its syntax is the data plane's, mostly RE2.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Regex string `json:"regex,omitempty"`
}
