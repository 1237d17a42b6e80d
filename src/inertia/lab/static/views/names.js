// The families of methods by name, as a reader reads them.

export const FAMILIES = { descent: "gradient descent", "heavy-ball": "heavy ball", nesterov: "Nesterov", triple: "triple momentum", any: "any (α, β, γ)" };
