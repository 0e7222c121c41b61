/** What would be here, why it is not, and how it comes. */
export function Empty({
  title,
  children,
  action,
}: {
  title: string;
  children?: React.ReactNode;
  action?: React.ReactNode;
}) {
  return (
    <div className="tg-empty">
      <h2>{title}</h2>
      {children && <div className="tg-empty-text">{children}</div>}
      {action && <div className="tg-empty-action">{action}</div>}
    </div>
  );
}
