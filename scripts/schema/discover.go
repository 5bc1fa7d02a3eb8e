package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// Column is one column of a resource's table.
type Column struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Format   string `json:"format"`
	Priority int32  `json:"priority"`
}

// Subresource is a path below a resource's objects.
type Subresource struct {
	Name    string   `json:"name"`
	Group   string   `json:"group,omitempty"`
	Version string   `json:"version,omitempty"`
	Kind    string   `json:"kind"`
	Verbs   []string `json:"verbs"`
}

// Resource is one resource of a group and version as discovery shows it.
type Resource struct {
	Version            string        `json:"version"`
	Name               string        `json:"name"`
	SingularName       string        `json:"singularName"`
	Namespaced         bool          `json:"namespaced"`
	Kind               string        `json:"kind"`
	ShortNames         []string      `json:"shortNames,omitempty"`
	Categories         []string      `json:"categories,omitempty"`
	Verbs              []string      `json:"verbs"`
	StorageVersionHash string        `json:"storageVersionHash,omitempty"`
	Subresources       []Subresource `json:"subresources,omitempty"`
	Columns            []Column      `json:"columns,omitempty"`
	Table              *bool         `json:"table,omitempty"`
	SelectableFields   []string      `json:"selectableFields,omitempty"`

	group string
}

func (r *Resource) can(verb string) bool {
	for _, v := range r.Verbs {
		if v == verb {
			return true
		}
	}
	return false
}

func (r *Resource) path() string {
	if r.group == "" {
		return "/api/" + r.Version + "/" + r.Name
	}
	return "/apis/" + r.group + "/" + r.Version + "/" + r.Name
}

// Found is what the running server said.
type Found struct {
	version string
	// groups in the server's order, with their versions in order of priority
	groups    []metav1.APIGroup
	resources map[string][]*Resource // by group
	client    *rest.RESTClient
}

func discover(config *rest.Config) (*Found, error) {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	client = client.WithLegacy().(*discovery.DiscoveryClient)
	found := &Found{resources: map[string][]*Resource{}, client: client.RESTClient().(*rest.RESTClient)}
	groups, lists, err := client.ServerGroupsAndResources()
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		found.groups = append(found.groups, *g)
	}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		byName := map[string]*Resource{}
		for _, r := range list.APIResources {
			parent, sub, isSub := strings.Cut(r.Name, "/")
			if !isSub {
				resource := &Resource{
					group: gv.Group, Version: gv.Version, Name: r.Name, SingularName: r.SingularName, Namespaced: r.Namespaced, Kind: r.Kind,
					ShortNames: r.ShortNames, Categories: r.Categories, Verbs: r.Verbs, StorageVersionHash: r.StorageVersionHash,
				}
				byName[r.Name] = resource
				found.resources[gv.Group] = append(found.resources[gv.Group], resource)
				continue
			}
			owner := byName[parent]
			if owner == nil {
				return nil, fmt.Errorf("%s: %s comes before its resource", list.GroupVersion, r.Name)
			}
			s := Subresource{Name: sub, Kind: r.Kind, Verbs: r.Verbs, Group: r.Group, Version: r.Version}
			owner.Subresources = append(owner.Subresources, s)
		}
	}
	return found, nil
}

// get is one GET; it returns the status code and the body.
func (f *Found) get(path string, query url.Values, accept string) (int, []byte, error) {
	request := f.client.Get().AbsPath(path)
	for key, values := range query {
		for _, v := range values {
			request = request.Param(key, v)
		}
	}
	if accept != "" {
		request = request.SetHeader("Accept", accept)
	}
	result := request.Do(context.Background())
	code := 0
	result.StatusCode(&code)
	body, err := result.Raw()
	if code == 0 {
		return 0, nil, err
	}
	return code, body, nil
}

// columns asks every resource for a table.
func (f *Found) columns() error {
	for _, resources := range f.resources {
		for _, r := range resources {
			if !r.can("list") {
				continue
			}
			code, body, err := f.get(r.path(), url.Values{"limit": {"1"}}, "application/json;as=Table;g=meta.k8s.io;v=v1")
			if err != nil {
				return err
			}
			if code == 406 {
				no := false
				r.Table = &no
				continue
			}
			if code != 200 {
				return fmt.Errorf("table of %s: status %d", r.path(), code)
			}
			var table metav1.Table
			if err := json.Unmarshal(body, &table); err != nil {
				return err
			}
			for _, c := range table.ColumnDefinitions {
				r.Columns = append(r.Columns, Column{c.Name, c.Type, c.Format, c.Priority})
			}
		}
	}
	return nil
}
