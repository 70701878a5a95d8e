// What Grafana publishes about its dashboards. A dashboard is JSON, where the values of enums are plain texts and numbers.
import type { DataQuery, Dashboard, Panel, RowPanel } from '@grafana/schema';
import type * as heatmap from './node_modules/@grafana/schema/dist/types/raw/composable/heatmap/panelcfg/x/types.gen';
import type * as stat from './node_modules/@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen';
import type * as timeline from './node_modules/@grafana/schema/dist/types/raw/composable/statetimeline/panelcfg/x/types.gen';
import type * as lines from './node_modules/@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen';

type Plain<T> = T extends string
  ? `${T}`
  : T extends number
    ? `${T}` extends `${infer N extends number}`
      ? N
      : never
    : T extends boolean | null | undefined
      ? T
      : unknown extends T
        ? unknown
        : T extends Array<infer E>
          ? Array<Plain<E>>
          : T extends object
            ? { [K in keyof T]: Plain<T[K]> }
            : T;

// The package has no type for Prometheus's own queries, only what all queries have.
interface Query extends DataQuery {
  editorMode?: 'builder' | 'code';
  expr: string;
  format?: 'heatmap' | 'table' | 'time_series';
  instant?: boolean;
  legendFormat?: string;
  range?: boolean;
}

interface Custom {
  heatmap: Plain<heatmap.FieldConfig>;
  stat: {};
  'state-timeline': Plain<timeline.FieldConfig>;
  timeseries: Plain<lines.FieldConfig>;
}

interface Options {
  heatmap: Plain<heatmap.Options>;
  stat: Plain<stat.Options>;
  'state-timeline': Plain<timeline.Options>;
  timeseries: Plain<lines.Options>;
}
