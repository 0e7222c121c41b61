declare module "*.luau?raw" {
  const text: string;
  export default text;
}
