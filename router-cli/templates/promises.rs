//! The conformance suite of the role: everything that a router expects of its {{role}}s.

// A promise that your idea cannot keep is excused by its name, and stays visible: `except = ["{{excusable}}"]`.
router_core::conformance!({{role_type}}, my_idea::MyIdeaConfig);
