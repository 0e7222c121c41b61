import { createTheme, type MantineColorsTuple } from "@mantine/core";

const teal: MantineColorsTuple = [
  "#e7f6f5",
  "#cfeae8",
  "#9fd5d1",
  "#6cbfb9",
  "#44aca5",
  "#249a93",
  "#12857f",
  "#0b6e6e",
  "#085859",
  "#054445",
];

/** Dark enough for text on white, and for white on it. */
const red: MantineColorsTuple = [
  "#fdecec",
  "#f9d3d4",
  "#f3a8aa",
  "#ec8284",
  "#f58a8d",
  "#d5484d",
  "#c4333a",
  "#b4232a",
  "#951b21",
  "#761418",
];

const graphite: MantineColorsTuple = [
  "#d3dade",
  "#b4bec4",
  "#8b989f",
  "#5f6d75",
  "#3a464d",
  "#2b353b",
  "#20292e",
  "#171e22",
  "#11171a",
  "#0c1113",
];

export const theme = createTheme({
  primaryColor: "teal",
  primaryShade: 7,
  colors: { teal, red, dark: graphite },
  fontFamily: "'Source Sans 3', system-ui, sans-serif",
  fontFamilyMonospace: "'JetBrains Mono', ui-monospace, monospace",
  fontSizes: { xs: "12.5px", sm: "14px", md: "15px", lg: "17px", xl: "20px" },
  lineHeights: { xs: "1.4", sm: "1.45", md: "1.5" },
  headings: {
    fontWeight: "600",
    sizes: { h1: { fontSize: "22px" }, h2: { fontSize: "17px" }, h3: { fontSize: "15px" } },
  },
  defaultRadius: 6,
  radius: { xs: "3px", sm: "4px", md: "6px", lg: "8px", xl: "12px" },
  cursorType: "pointer",
  components: {
    Tooltip: { defaultProps: { openDelay: 250, withArrow: true } },
    Modal: { defaultProps: { centered: true, overlayProps: { backgroundOpacity: 0.45 } } },
    // Within the page, so that they stay in its landmarks; the first entry has the focus, and nothing that is none.
    Menu: { defaultProps: { withinPortal: false, withInitialFocusPlaceholder: false } },
    // Primary is too dark for a bar on a dark track.
    Progress: { defaultProps: { color: "var(--tg-accent)" } },
    TextInput: { defaultProps: { size: "sm" } },
  },
});
